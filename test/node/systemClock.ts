/** The timing of both ends of systemClock.test.ts. */
export const timing = {
  heartbeatInterval: "2 seconds",
  readDeadline: "6 seconds",
  resumeWindow: "1 minute"
} as const

export const readDeadline = 6000
