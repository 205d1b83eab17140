/** Where redis-server is. */
import { find, redis } from "../gate/needed.js"

export const program = (): string | undefined => find(redis)
