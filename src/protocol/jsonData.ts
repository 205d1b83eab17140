/**
 * A `data` message as `Codec.json` writes it, which is what most frames are:
 * its numbers are read off the text, and the body alone is parsed.
 */
import type * as Protocol from "./Protocol.js"

/** Up to the body. Numbers of fifteen digits are exact; larger ones are left to who parses everything. */
const head = /^\{"type":"data","seq":([1-9]\d{0,14}),"ack":(0|[1-9]\d{0,14})(,"confirm":true)?,"body":/

const closingBrace = 0x7d

/** The message, or undefined if it is not of this very shape: then it may still be one, or not be JSON. */
export const read = (text: string): Protocol.Data | undefined => {
  const found = head.exec(text)
  if (found === null || text.charCodeAt(text.length - 1) !== closingBrace) return undefined
  let body: unknown
  try {
    // One value: after it nothing but whitespace parses, so there is no field behind the body.
    body = JSON.parse(text.slice(found[0].length, -1))
  } catch {
    return undefined
  }
  const seq = Number(found[1])
  const ack = Number(found[2])
  return found[3] === undefined ? { type: "data", seq, ack, body } : { type: "data", seq, ack, confirm: true, body }
}
