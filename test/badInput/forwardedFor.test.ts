/** What `x-forwarded-for` says, from peers that are trusted and from others. */
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Headers, type ListenOptions, makeGateway, requestOf, statusOf, talk, upgrade } from "./rawRequest.js"
import { connect } from "./support.js"

describe("x-forwarded-for", () => {
  interface Case {
    readonly name: string
    readonly options: ListenOptions
    readonly headers: Headers
    readonly address: string
    /** Default: the address. */
    readonly remoteAddress?: RegExp
  }
  const from = (value: string): Headers => [["X-Forwarded-For", value]]
  const peer = { address: "127.0.0.1", remoteAddress: /^127\.0\.0\.1:\d+$/ }
  const filler: Headers = Array.from({ length: 1_200 }, () => ["a", "b"])

  const cases: ReadonlyArray<Case> = [
    { name: "none: the peer", options: { trustedProxies: ["loopback"] }, headers: [], ...peer },
    { name: "nobody is trusted by default", options: {}, headers: from("1.2.3.4"), ...peer },
    {
      name: "of a peer that is not trusted",
      options: { trustedProxies: ["10.0.0.0/8", "::1"] },
      headers: from("1.2.3.4, 10.0.0.1"),
      ...peer
    },
    {
      name: "of a trusted peer",
      options: { trustedProxies: ["loopback"] },
      headers: from("1.2.3.4"),
      address: "1.2.3.4"
    },
    {
      name: "with a port",
      options: { trustedProxies: ["127.0.0.1"] },
      headers: from("1.2.3.4:5678"),
      address: "1.2.3.4",
      remoteAddress: /^1\.2\.3\.4:5678$/
    },
    {
      name: "that the client has begun",
      options: { trustedProxies: ["loopback", "10.0.0.0/8"] },
      headers: from("6.6.6.6, 1.2.3.4, 10.0.0.1"),
      address: "1.2.3.4"
    },
    {
      name: "in two headers, the first of them the client's",
      options: { trustedProxies: ["loopback", "10.0.0.0/8"] },
      headers: [...from("6.6.6.6"), ["x-other", "8.8.8.8"], ...from("1.2.3.4, 10.0.0.1")],
      address: "1.2.3.4"
    },
    {
      name: "behind more headers than Node keeps by itself",
      options: { trustedProxies: ["loopback"] },
      headers: [...from("6.6.6.6"), ...filler, ...from("1.2.3.4")],
      address: "1.2.3.4"
    },
    {
      name: "malformed",
      options: { trustedProxies: ["loopback"] },
      headers: from("1.2.3.4, unknown"),
      ...peer
    },
    {
      name: "an IPv4-mapped client",
      options: { trustedProxies: ["loopback"] },
      headers: from("::ffff:1.2.3.4"),
      address: "1.2.3.4"
    }
  ]
  for (const { address, headers, name, options, remoteAddress } of cases) {
    it.scopedLive(`${name}: ${address}`, () =>
      Effect.gen(function* () {
        const { asked, gateway } = yield* makeGateway(options)
        const heard = yield* talk(gateway.address, (socket) => socket.write(requestOf([...upgrade, ...headers])))
        assert.strictEqual(statusOf(heard), "101")
        assert.strictEqual(asked[0]?.address, address)
        if (remoteAddress === undefined) assert.strictEqual(asked[0]?.remoteAddress, address)
        else assert.match(asked[0]?.remoteAddress ?? "", remoteAddress)
      })
    )
  }

  const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6"))
  it.scopedLive.skipIf(!hasIPv6)(
    "a socket of both families: an IPv4 peer has its IPv4 address, and is trusted by it",
    () =>
      Effect.gen(function* () {
        const { asked, gateway } = yield* makeGateway({ host: "::", trustedProxies: ["127.0.0.1"] })
        const ask = (address: string, headers: Headers) =>
          talk(address, (socket) => socket.write(requestOf([...upgrade, ...headers])))
        const ipv4 = gateway.address.replace("[::1]", "127.0.0.1")
        yield* ask(ipv4, [])
        yield* ask(ipv4, from("1.2.3.4"))
        yield* ask(gateway.address, from("1.2.3.4"))
        assert.deepStrictEqual(
          asked.map((request) => request.address),
          ["127.0.0.1", "1.2.3.4", "::1"]
        )
        assert.match(asked[0]?.remoteAddress ?? "", /^127\.0\.0\.1:\d+$/)
      })
  )

  it.scopedLive("the session shows the client, not the proxy", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway({ trustedProxies: ["loopback"] })
      const peer = yield* connect(gateway.address, { headers: { "x-forwarded-for": "1.2.3.4" } })
      yield* peer.hello()
      const [session] = yield* gateway.sessions
      const info = yield* session?.info ?? Effect.dieMessage("no session")
      assert.strictEqual(info.connection?.remoteAddress, "1.2.3.4")
    })
  )
})
