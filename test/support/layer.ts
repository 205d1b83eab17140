/**
 * `layer` of `@effect/vitest` writes its own `scoped` and `effect` into the `it` that every file of a process shares, for good. Here
 * they are put back when its tests are declared, so that the next file's tests have TestClock.
 */
import { it, layer as layerOfVitest } from "@effect/vitest"

export const layer: typeof layerOfVitest = (shared, options) => {
  const declare = layerOfVitest(shared, options)
  return (...args: [unknown, unknown?]) => {
    const { effect, flakyTest, layer, prop, scoped } = it
    try {
      return (declare as (...args: Array<unknown>) => void)(...args)
    } finally {
      Object.assign(it, { effect, flakyTest, layer, prop, scoped })
    }
  }
}
