import type { Group } from "../fault.js"

const codec = "src/protocol/Codec.ts"
const protocolShape = "src/protocol/validate.ts"
const jsonText = "src/protocol/strictJson.ts"
const reader = "src/protocol/msgpack/msgpackReader.ts"

const frames = "test/badInput/frames.test.ts"
const readerTests = "test/protocol/msgpackReader.test.ts"
const publications = "test/badInput/publications.test.ts"

export const group: Group = {
  title: "Codec: malformed frames, sizes, nesting",
  faults: [
    {
      name: "sizes are counted in characters",
      file: "src/protocol/frame.ts",
      find: "bytes += encoder.encodeInto(frame.slice(at, end), scratch).written",
      replace: "bytes += end - at",
      caughtBy: ["test/protocol/codecs.test.ts"]
    },
    {
      name: "a surrogate pair that is measured in halves counts six bytes",
      file: "src/protocol/frame.ts",
      find: "last < 0xdc00 ? end - 1 : end",
      replace: "last < 0xdc00 ? end : end",
      caughtBy: ["test/protocol/codecs.test.ts"]
    },
    {
      name: "a message without a sequence number is let through as number 0",
      file: protocolShape,
      find: 'if (!isCount(seq) || seq === 0) return malformed("data:',
      replace: 'if (!isCount(seq)) return malformed("data:',
      caughtBy: [frames]
    },
    {
      name: "a data message without a body is let through",
      file: protocolShape,
      find: '    if (message.body === undefined) return malformed("data: no body")\n',
      replace: "",
      caughtBy: [frames]
    },
    {
      name: "numbers of the protocol may be fractions",
      file: protocolShape,
      find: "Number.isSafeInteger(u) && (u as number) >= 0",
      replace: "Number.isFinite(u) && (u as number) >= 0",
      caughtBy: [frames]
    },
    {
      name: "binary frames are taken for JSON text",
      file: codec,
      find: 'return malformed("holdfast.v1.json takes text messages", CloseCode.UnsupportedData)',
      replace: 'return malformed("holdfast.v1.json takes text messages")',
      caughtBy: [frames]
    },
    {
      name: "a type that every object has is taken for one of the protocol's",
      file: protocolShape,
      find: "  if (!Object.hasOwn(decoders, type)) return",
      replace: "  if (!(type in decoders)) return",
      caughtBy: [frames]
    },
    {
      name: "a body may be nested one deeper in MessagePack",
      file: reader,
      find: "if (this.depth++ > deepestBody)",
      replace: "if (this.depth++ > deepestBody + 1)",
      caughtBy: [readerTests]
    },
    {
      name: "a body may be nested one deeper in JSON",
      file: "src/protocol/nestingDepth.ts",
      find: "jsonScan.depth(body) > deepestBody",
      replace: "jsonScan.depth(body) > deepestBody + 1",
      caughtBy: [readerTests]
    },
    {
      name: "a body may be a byte larger than the limit",
      file: "src/session/bodyLimit.ts",
      find: "if (size <= limit) return message",
      replace: "if (size <= limit + 1) return message",
      caughtBy: ["test/badInput/bodyLimit.test.ts"]
    },
    {
      name: "a key sets the prototype",
      file: reader,
      find: 'if (name !== "__proto__") fields[name] = value',
      replace: 'if (name !== "") fields[name] = value',
      caughtBy: ["test/protocol/msgpackKeys.test.ts"]
    },
    {
      name: "a key of the value's own is shown in a reason",
      file: "src/protocol/schemaIssue.ts",
      find: 'return isNamed ? String(key) : "*"',
      replace: "return String(key)",
      caughtBy: ["test/badInput/secrets.test.ts"]
    },
    {
      name: "an overlong form is text",
      file: reader,
      find: "if (point < (leastPoint[more] ?? 0) || ",
      replace: "if (",
      caughtBy: [readerTests]
    },
    {
      name: "publications may be nested one deeper",
      file: jsonText,
      find: "if (depth === deepest) return",
      replace: "if (depth > deepest) return",
      caughtBy: [publications]
    },
    {
      name: "a lone surrogate is published",
      file: jsonText,
      find: '      return isWellFormed(value) ? undefined : "a lone surrogate is no text"',
      replace: '      return isWellFormed("") ? undefined : "a lone surrogate is no text"',
      caughtBy: [publications]
    },
    {
      name: "MessagePack extension types are let through",
      file: reader,
      find: 'return flaw("an extension type")',
      replace: "this.take(byte < 0xd4 ? 2 : 1 + (1 << (byte - 0xd4)))\n        return null",
      caughtBy: [publications]
    },
    {
      name: "64-bit integers are bigints",
      file: reader,
      find: "if (Number.isSafeInteger(n)) return n",
      replace: "if (n < 0) return n",
      caughtBy: [readerTests, frames]
    },
    {
      name: "a publication larger in MessagePack than its limit is let through",
      file: "src/protocol/publicationCodec.ts",
      find: "return Math.max(text, msgpackSize(JSON.parse(json)))",
      replace: "return text",
      caughtBy: [publications, "test/client/publish.test.ts"]
    }
  ]
}
