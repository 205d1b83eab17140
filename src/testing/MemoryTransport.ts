/**
 * Two linked transports in memory, and the faults of the wire between them.
 *
 * @since 0.1.0
 */
import type { Link, LinkOptions } from "./internal/link.js"
import * as memoryLink from "./internal/memoryLink.js"

export type { Link, LinkOptions, Side } from "./internal/link.js"
export type {
  /**
   * The conditions of a wire: `latency` and `jitter` (the most that is added to it)
   * in milliseconds, `bandwidth` in bytes a second.
   *
   * @since 0.1.0
   * @category models
   */
  Conditions,
  /**
   * The source of a link's time and chance.
   *
   * @since 0.1.0
   * @category models
   */
  Surroundings
} from "./internal/wire.js"

/**
 * Links two transports. Frames arrive in order, over a perfect wire in a later
 * microtask.
 *
 * @since 0.1.0
 * @category constructors
 */
export const link = (options?: LinkOptions): Link => memoryLink.make(options).link
