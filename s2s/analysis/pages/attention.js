"use strict";
// A word of the translation that is pointed at, tapped or moved to lights up what the model looks at when it says it.
for (const figure of document.querySelectorAll(".attention")) {
  const sources = [...figure.querySelectorAll(".source .word")];
  const targets = [...figure.querySelectorAll(".target .word")];
  const note = figure.querySelector(".note");
  const strongPercent = Number(figure.dataset.strongPercent);
  const textOf = (word) => word.querySelector(".text").textContent;

  function light(target) {
    const percents = target.dataset.percents.split(" ").map(Number);
    sources.forEach((word, index) => {
      word.style.setProperty("--weight", percents[index] / 100);
      word.classList.toggle("strong", percents[index] > strongPercent);
      word.querySelector(".share").textContent = percents[index] >= 0.5 ? `${Math.round(percents[index])} %` : "";
    });
    for (const other of targets) {
      other.classList.toggle("chosen", other === target);
    }
    const order = [...percents.keys()].sort((one, other) => percents[other] - percents[one]);
    const most = order.slice(0, 3).filter((index) => percents[index] >= 0.5);
    note.textContent = `${textOf(target)} ← ` + most.map((index) => `${textOf(sources[index])} ${percents[index].toFixed(1)} %`).join(", ");
  }

  targets.forEach((target, index) => {
    for (const event of ["pointerenter", "focus", "click"]) {
      target.addEventListener(event, () => light(target));
    }
    target.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && targets[index + step]) {
        targets[index + step].focus();
        event.preventDefault();
      }
    });
  });
  light(targets[0]);
}
