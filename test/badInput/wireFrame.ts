/** A WebSocket frame as bytes. The mask of a client's is zero, so its payload stays readable. */
export const wireFrame = (
  opcode: number,
  payload: Uint8Array,
  options: { readonly fin?: boolean; readonly masked?: boolean; readonly length?: number } = {}
): Buffer => {
  const length = options.length ?? payload.byteLength
  const maskBit = options.masked === false ? 0 : 0x80
  const head = Buffer.alloc(10)
  head[0] = (options.fin === false ? 0 : 0x80) | opcode
  head[1] = maskBit | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  const short = length < 126
  const lead = short ? Buffer.of(head[0], maskBit | length) : head
  return Buffer.concat([lead, Buffer.alloc(maskBit === 0 ? 0 : 4), payload])
}
