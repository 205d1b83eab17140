/** Who the client is, behind proxies that are trusted and hops that are not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { canonical, clientOf, trust } from "../../src/node/internal/clientAddress.js"

describe("canonical", () => {
  const table: ReadonlyArray<readonly [text: string, address: string | undefined]> = [
    ["1.2.3.4", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:102:304", "1.2.3.4"],
    ["0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"],
    ["2001:DB8:0:0::0001", "2001:db8::1"],
    ["::1", "::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:0:1.2.3.4", "::ffff:0:102:304"],
    ["", undefined],
    ["1.2.3", undefined],
    ["01.2.3.4", undefined],
    ["1.2.3.4%eth0", undefined],
    ["1.2.3.256", undefined],
    ["1.2.3.4:80", undefined],
    ["[::1]", undefined],
    ["client.example", undefined]
  ]
  for (const [text, address] of table) {
    it(`${JSON.stringify(text)} is ${address}`, () => assert.strictEqual(canonical(text), address))
  }
})

interface Walk {
  readonly trusting: ReadonlyArray<string>
  /** Default 10.0.0.1, of port 5000. */
  readonly peer?: string
  readonly header: string | undefined
  readonly client: string
  readonly port?: number | undefined
}

const proxy = ["10.0.0.0/8"]

const laws: Readonly<Record<string, ReadonlyArray<Walk>>> = {
  "a peer that is not trusted is the client, whatever it says": [
    { trusting: [], header: "1.2.3.4", client: "10.0.0.1", port: 5000 },
    { trusting: [], header: undefined, client: "10.0.0.1", port: 5000 },
    { trusting: ["10.0.0.2"], header: "1.2.3.4", client: "10.0.0.1", port: 5000 },
    { trusting: proxy, peer: "9.9.9.9", header: "1.2.3.4, 10.0.0.1", client: "9.9.9.9", port: 5000 },
    { trusting: ["::/0"], header: "1.2.3.4", client: "10.0.0.1", port: 5000 },
    { trusting: ["0.0.0.0/0"], peer: "2001:db8::1", header: "1.2.3.4", client: "2001:db8::1", port: 5000 },
    { trusting: ["loopback"], peer: "", header: "1.2.3.4", client: "", port: 5000 }
  ],
  "a trusted peer is believed": [
    { trusting: proxy, header: "1.2.3.4", client: "1.2.3.4" },
    { trusting: ["10.0.0.1"], header: " \t1.2.3.4 ", client: "1.2.3.4" },
    { trusting: ["loopback"], peer: "127.1.2.3", header: "1.2.3.4", client: "1.2.3.4" },
    { trusting: ["loopback"], peer: "::1", header: "1.2.3.4", client: "1.2.3.4" },
    { trusting: ["10.9.9.9/8"], header: "1.2.3.4", client: "1.2.3.4" },
    { trusting: ["::ffff:10.0.0.1"], header: "1.2.3.4", client: "1.2.3.4" },
    { trusting: ["::ffff:10.0.0.0/104"], header: "1.2.3.4", client: "1.2.3.4" },
    { trusting: ["192.0.2.1", "10.0.0.0/8"], header: "1.2.3.4", client: "1.2.3.4" }
  ],
  "the walk passes trusted hops and ends at the first that is not": [
    { trusting: proxy, header: "1.2.3.4, 10.0.0.9", client: "1.2.3.4" },
    { trusting: proxy, header: "6.6.6.6, 1.2.3.4", client: "1.2.3.4" },
    { trusting: proxy, header: "6.6.6.6, 10.6.6.6, 1.2.3.4, 10.0.0.9,10.0.0.8", client: "1.2.3.4" },
    { trusting: proxy, header: "6.6.6.6, 11.0.0.0", client: "11.0.0.0" },
    { trusting: ["10.0.0.0/9"], header: "6.6.6.6, 10.128.0.0", client: "10.128.0.0" },
    { trusting: ["10.0.0.1", "10.0.0.2"], header: "6.6.6.6, 10.0.0.3, 10.0.0.2", client: "10.0.0.3" }
  ],
  "where all are trusted the leftmost counts": [
    { trusting: proxy, header: "10.0.0.7, 10.0.0.8", client: "10.0.0.7" },
    { trusting: proxy, header: undefined, client: "10.0.0.1", port: 5000 },
    { trusting: ["0.0.0.0/0"], header: "1.2.3.4, 10.0.0.8", client: "1.2.3.4" }
  ],
  "what is malformed ends the walk at the trusted hop that said it": [
    ...["", " ", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "1.2.3.4;", "1.2.3.4 5.6.7.8", "client.example"],
    ...["1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:123456", "1.2.3.4:-1", "[1.2.3.4]", "[::1", "::1]", "[]:80", "[::1]80"],
    ...["for=1.2.3.4", '"1.2.3.4"', "1.2.3.4\0", "٣.2.3.4"]
  ].flatMap(
    (entry): ReadonlyArray<Walk> => [
      { trusting: proxy, header: entry, client: "10.0.0.1", port: 5000 },
      { trusting: proxy, header: `6.6.6.6, ${entry}`, client: "10.0.0.1", port: 5000 },
      { trusting: proxy, header: `6.6.6.6, ${entry}, 10.0.0.2`, client: "10.0.0.2" },
      { trusting: proxy, header: `${entry}, 1.2.3.4`, client: "1.2.3.4" }
    ]
  ),
  "IPv6 is compared and counted in one form": [
    { trusting: ["2001:db8::/32"], peer: "2001:db8::5", header: "2001:0DB9::0001", client: "2001:db9::1" },
    { trusting: ["2001:db8::/33"], peer: "2001:db8:8000::", header: "1.2.3.4", client: "2001:db8:8000::", port: 5000 },
    { trusting: ["::1"], peer: "::1", header: "2001:db9::1, 0:0:0:0:0:0:0:1", client: "2001:db9::1" },
    { trusting: proxy, header: "::ffff:1.2.3.4", client: "1.2.3.4" },
    { trusting: proxy, header: "1.2.3.4, ::ffff:10.0.0.9", client: "1.2.3.4" },
    { trusting: proxy, header: "6.6.6.6, ::ffff:a00:9, ::ffff:b00:9", client: "11.0.0.9" }
  ],
  "a port is not the address's": [
    { trusting: proxy, header: "1.2.3.4:5678", client: "1.2.3.4", port: 5678 },
    { trusting: proxy, header: "1.2.3.4, 10.0.0.9:443", client: "1.2.3.4" },
    { trusting: proxy, header: "[2001:DB8::1]:65535", client: "2001:db8::1", port: 65_535 },
    { trusting: proxy, header: "[2001:db8::1]", client: "2001:db8::1" },
    { trusting: proxy, header: "[::ffff:1.2.3.4]:1", client: "1.2.3.4", port: 1 }
  ]
}

for (const [law, walks] of Object.entries(laws)) {
  describe(law, () => {
    for (const { client, header, peer = "10.0.0.1", port, trusting } of walks) {
      it.effect(`${JSON.stringify(header)} of ${peer || "nobody"}, trusting ${trusting.join(" ") || "none"}`, () =>
        Effect.gen(function* () {
          const found = clientOf({ address: peer, port: 5000 }, header, yield* trust(trusting))
          assert.deepStrictEqual(found, { address: client, port })
        })
      )
    }
  })
}

it.effect("a walk along more than a header can hold comes to its end", () =>
  Effect.gen(function* () {
    const trusted = yield* trust(proxy)
    const peer = { address: "10.0.0.1", port: 5000 }
    const hops = Array.from({ length: 10_000 }, () => "10.0.0.2")
    assert.strictEqual(clientOf(peer, ["1.2.3.4", ...hops].join(), trusted).address, "1.2.3.4")
    assert.strictEqual(clientOf(peer, `[${":".repeat(100_000)}`, trusted).address, "10.0.0.1")
  })
)

describe("trust refuses what is neither address nor range", () => {
  const wrong = [
    "",
    "10.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/0x8",
    "10.0.0.0/8.5"
  ]
  const also = [
    "::/129",
    "::ffff:10.0.0.0/95",
    "fe80::1%eth0",
    "localhost",
    "Loopback",
    " 10.0.0.1",
    "*",
    "10.0.0.1:80"
  ]
  for (const proxy of [...wrong, ...also]) {
    it.effect(JSON.stringify(proxy), () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(trust(["10.0.0.0/8", proxy]))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "trustedProxies", value: proxy })
      })
    )
  }
})
