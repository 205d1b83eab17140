import type { World } from "./world.js"

/**
 * Tells of something that can happen. `isFault`: the world would go on without
 * it, so nobody may depend on it to get on.
 */
export type Emit = (label: string, run: () => World, isFault?: boolean) => void
