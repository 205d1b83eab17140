/**
 * The floor below which bytes are no life: any byte moves a deadline, but a frame of so many has as many deadlines in all as it
 * has pieces of 64 KiB. One byte a second keeps nothing alive.
 */
const piece = 64 * 1024

/** Deadlines that a frame of this size has, to come or to leave whole. */
export const deadlinesOf = (size: number): number => Math.max(1, Math.ceil(size / piece))
