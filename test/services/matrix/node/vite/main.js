document.querySelector("#text").textContent = "a page of Vite";
import.meta.hot.accept();
