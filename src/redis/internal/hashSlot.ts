/** The hash slot of a key, as Redis Cluster computes it: CRC-16/XMODEM of its hash tag, modulo 16384. */

const crc16 = (bytes: Uint8Array): number => {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}

const encoder = new TextEncoder()

/** The part between the first `{` and the next `}`, if there is anything; the whole key otherwise. */
const hashed = (key: string): string => {
  const open = key.indexOf("{")
  const close = open === -1 ? -1 : key.indexOf("}", open + 1)
  return close > open + 1 ? key.slice(open + 1, close) : key
}

export const slotOf = (key: string): number => crc16(encoder.encode(hashed(key))) % 16384
