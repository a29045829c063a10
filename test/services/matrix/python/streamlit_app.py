"""A page that says something."""

import streamlit as st

st.write("hello from Streamlit")
