/** The timing of both ends of systemClock.test.ts. */
export const timing = {
  heartbeatInterval: "2 seconds",
  // Whose peer gets no processor for so long is lost, and rightly: on a machine with other work that must not happen.
  readDeadline: "7 seconds",
  // The same of the question that a set clock has asked of everybody.
  helloTimeout: "1 minute",
  resumeWindow: "1 minute"
} as const

export const readDeadline = 7000
