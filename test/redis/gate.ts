import { describeWith } from "../gate/describeWith.js"
import { redis } from "../gate/needed.js"

/** `describe`, for tests that start Redis servers of their own. */
export const describeWithRedis = describeWith(redis)
