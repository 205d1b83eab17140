/** The depth to which a body's arrays and objects are nested: bounded, so that no walk through one is a matter of the stack. */
import * as jsonScan from "./jsonScan.js"

/** Of a body, the outermost array or object included. A message is one deeper. */
export const deepestBody = 512

export const tooDeep = `nested too deeply: more than ${deepestBody} arrays and objects in one another`

/** Counts the occurrences of a character, up to `most`. */
const occurrences = (text: string, character: string, most: number): number => {
  let count = 0
  for (let at = text.indexOf(character); at >= 0 && count < most; at = text.indexOf(character, at + 1)) count++
  return count
}

/** True when a JSON text may have, or be, a body that is too deep: no small one, and few others. */
export const mayBeTooDeep = (text: string): boolean => {
  if (text.length <= 2 * deepestBody) return false
  const arrays = occurrences(text, "[", deepestBody)
  return arrays === deepestBody || arrays + occurrences(text, "{", deepestBody - arrays) === deepestBody
}

/** True when a body is too deep, given as JSON text. */
export const isTooDeep = (body: string): boolean => mayBeTooDeep(body) && jsonScan.depth(body) > deepestBody
