document.body.textContent = "a page of webpack";
import.meta.webpackHot.accept();
