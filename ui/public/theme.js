// Runs before anything is painted, so that a chosen theme does not flash in the other one.
(function () {
  try {
    var chosen = localStorage.getItem('twokey-theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch (_) {
    // Without storage the system's theme holds.
  }
})();
