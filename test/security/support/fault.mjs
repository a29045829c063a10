// Loaded into a command before it starts. SIGUSR2 makes an error that nothing catches, in a timer and in a
// promise.
process.on("SIGUSR2", () => {
  setTimeout(() => {
    throw new Error("a mistake in a timer");
  });
  void Promise.reject(new Error("a mistake in a promise"));
});
