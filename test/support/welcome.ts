/** The welcome of a server that is not Holdfast's, in its shortest form: what tests add to it says what they are about. */
export const welcome = {
  type: "welcome",
  session: "s",
  generation: 1,
  secret: "secret",
  processed: 0,
  resumed: false,
  heartbeat: 30_000,
  deadline: 60_000,
  resumeWindow: 120_000,
  limits: { maxMessage: 1_000_000, messages: 100, bytes: 1_000_000 }
}
