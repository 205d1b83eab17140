/** How much of a topic waits for one who is told of it. */
export interface Bounds {
  readonly messages: number
  readonly bytes: number
}
