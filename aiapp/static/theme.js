/* The theme "system": the class of the dark colours, put on before anything is drawn, and whenever the system changes its mind. */
"use strict";

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const { classList, dataset } = document.documentElement;
  if (dataset.theme === "system") classList.toggle("dark", systemIsDark.matches);
  else classList.toggle("dark", dataset.theme === "dark");
}

systemIsDark.addEventListener("change", showTheme);
showTheme();
