import type { Group } from "../fault.js"

const core = "src/gateway/gatewayCore.ts"
const connections = "src/gateway/connectionManager.ts"
const admission = "src/gateway/admission.ts"
const plan = "src/gateway/resumePlan.ts"
const hosted = "src/gateway/session/hostedSession.ts"
const reauthentication = "src/gateway/session/tokenExpiry.ts"

const lifecycle = "test/connection/lifecycle.test.ts"
const races = "test/session/races.test.ts"
const authentication = "test/gateway/authentication.test.ts"
const disconnect = "test/gateway/disconnect.test.ts"
const resume = "test/session/resume.test.ts"
const connection = "test/node/connection.test.ts"

export const group: Group = {
  title: "Gateway: who comes in, what is left behind, the drain",
  faults: [
    {
      name: "a hello that resumes a session which lives here is not authenticated",
      file: core,
      find: "const authentication = made(() => this.config.authenticate({ token: hello.token, request }))",
      replace: `const known = this.sessions.get(hello.resume?.session ?? "")
    const authentication = known
      ? Effect.succeed(known.principal)
      : made(() => this.config.authenticate({ token: hello.token, request }))`,
      caughtBy: [authentication, "test/badInput/hello.test.ts", resume]
    },
    {
      name: "whoever was disconnected while the store answered resumes",
      file: plan,
      find: '      if (revoked !== undefined) return { _tag: "Revoked", reason: revoked }\n',
      replace: "      void revoked\n",
      caughtBy: [disconnect]
    },
    {
      name: "whoever was disconnected while it was authenticated gets a session",
      file: admission,
      find: "    if (revoked !== undefined) live.close(CloseCode.SessionEnded, revoked)\n    else if (full",
      replace: "    void revoked\n    if (full",
      caughtBy: [disconnect]
    },
    {
      name: "a session of a disconnected principal that only the store knows can be resumed",
      file: "src/gateway/disconnect.ts",
      find: ", store.revoke(target, end)]",
      replace: "]",
      caughtBy: [disconnect]
    },
    {
      name: "a hello sees disconnects from before it came",
      file: "src/gateway/revocations.ts",
      find: "const since = this.recent.slice(from - this.forgotten)",
      replace: "const since = this.recent.slice(Math.min(0, from - this.forgotten))",
      caughtBy: [disconnect]
    },
    {
      name: "a token that has expired already gets a session",
      file: core,
      find: "if (reauthentication.hasExpired(principal, this.services.clock)) {",
      replace: "if (!expires && reauthentication.hasExpired(principal, this.services.clock)) {",
      caughtBy: [authentication]
    },
    {
      name: "a connection outlives its principal's expiry",
      file: reauthentication,
      find: "this.timer = this.services.fork(askAt < expiresAt ? Effect.zipRight(asked, closed) : closed)",
      replace: "this.timer = this.services.fork(askAt < expiresAt ? asked : closed)",
      caughtBy: [authentication]
    },
    {
      name: "a principal's expiry ends its session",
      file: reauthentication,
      find: "this.live.close(CloseCode.NotAuthenticated, expired)",
      replace: 'this.session.finish({ _tag: "NotAuthenticated", reason: expired })',
      caughtBy: [authentication, "test/client/attempts.test.ts"]
    },
    {
      name: "the gateway does not say that a refusal is its own",
      file: "src/connection/upgradeRefusal.ts",
      find: "{ ...headers, [header]: code }",
      replace: "{ ...headers }",
      caughtBy: ["test/client/attempts.test.ts", "test/node/refusals.test.ts"]
    },
    {
      name: "a principal expires a millisecond late",
      file: reauthentication,
      find: "const closed = Effect.map(sleepUntil(expiresAt)",
      replace: "const closed = Effect.map(sleepUntil(expiresAt + 1)",
      caughtBy: [authentication]
    },
    {
      name: "a fresh token of another principal is taken",
      file: reauthentication,
      find: "if (principal.id !== this.session.principal.id) {",
      replace: 'if (principal.id === "") {',
      caughtBy: [authentication]
    },
    {
      name: "a resumed session keeps the principal that it had",
      file: admission,
      find: "    session.principal = principal\n",
      replace: "",
      caughtBy: [authentication, resume]
    },
    {
      name: "a session that lived elsewhere meanwhile goes on as it was here",
      file: plan,
      find: 'return { _tag: here.generation === generation - 1 ? "GoOn" : "Outdated" }',
      replace: 'return { _tag: "GoOn" }',
      caughtBy: ["test/gateway/resumePlan.test.ts"]
    },
    {
      name: "attempts that the store answers in the wrong order take the session from the latest",
      file: plan,
      find: "if (here.generation >= generation) {",
      replace: "if (here.generation > generation + 1) {",
      caughtBy: [races]
    },
    {
      name: "a session whose client left while the store answered never expires",
      file: admission,
      find: "    if (live.end !== undefined) session.abandoned()\n",
      replace: "",
      caughtBy: [races]
    },
    {
      name: "what the store gives a gateway that ends meanwhile is nobody's for ever",
      file: "src/gateway/storeQuestion.ts",
      find: "return Effect.onInterrupt(restore(Effect.flatMap(answer, use)), () => back)",
      replace:
        "return Effect.onInterrupt(restore(Effect.flatMap(answer, use)), () => Effect.asVoid(Effect.succeed(back)))",
      caughtBy: ["test/session/shutdownWhileAsked.test.ts"]
    },
    {
      name: "a session of another subprotocol is resumed",
      file: admission,
      find: "codec.subprotocol === stored.subprotocol\n",
      replace: "codec.subprotocol !== undefined || stored.subprotocol\n",
      caughtBy: ["test/badInput/resume.test.ts", resume]
    },
    {
      name: "a fenced session goes on",
      file: "src/gateway/session/fencedStore.ts",
      find: "      this.lost(error.gone)\n",
      replace: "",
      caughtBy: [lifecycle, "test/gateway/presence.test.ts", disconnect]
    },
    {
      name: "an operation that was fenced during a takeover is given up",
      file: "src/gateway/session/fencedStore.ts",
      find: "      if (this.generation > error.generation) return this.run(operation)\n",
      replace: "      if (this.generation > error.generation) return Effect.void\n",
      caughtBy: [lifecycle]
    },
    {
      name: "a store that fails once is not asked again",
      file: "src/gateway/session/fencedStore.ts",
      find: '        error._tag === "StoreUnavailable" && !this.isOver',
      replace: '        error._tag !== "StoreUnavailable" && !this.isOver',
      caughtBy: [lifecycle]
    },
    {
      name: "a connection that is gone is held on to for as long as the gateway lives",
      file: connections,
      find: "    this.all.delete(live)\n",
      replace: "",
      caughtBy: ["test/node/requestMemory.test.ts"]
    },
    {
      name: "a connection outlives its gateway",
      file: connections,
      find: "    this.all.set(live, address)\n",
      replace: "",
      caughtBy: [lifecycle]
    },
    {
      name: "a session that ended is left in the registry",
      file: admission,
      find: "    this.sessions.delete(id)\n",
      replace: "",
      caughtBy: [lifecycle, resume]
    },
    {
      name: "a defect in a handler leaves its session open",
      file: "src/gateway/session/handlerLoop.ts",
      find: '    this.session.finish({ _tag: "HandlerFailed", cause })\n',
      replace: "",
      caughtBy: [lifecycle]
    },
    {
      name: "an upgrade that dies is never answered",
      file: connections,
      find: 'new Refused({ status: 500, code: "failed", body: "the server failed to look at this request" })',
      replace: "Effect.never",
      caughtBy: [races]
    },
    {
      name: "a hello that does not come is waited for longer than helloTimeout",
      file: connections,
      find: "this.timing.hellos.set(late, live.lastActivity + helloTimeout)",
      replace: "this.timing.hellos.set(late, live.lastActivity + helloTimeout + 1)",
      caughtBy: [lifecycle]
    },
    {
      name: "a page of another origin may connect",
      file: "src/gateway/handshake.ts",
      find: "!checks.origins.allows(origin)",
      replace: 'origin === ""',
      caughtBy: ["test/badInput/upgrade.test.ts", "test/badInput/headers.test.ts"]
    },
    {
      name: "the drain gives every client the same delay",
      file: core,
      find: "session.drain(Math.round(drainSpread * part))",
      replace: "session.drain(Math.round(part >= 0 ? drainSpread : part))",
      caughtBy: [lifecycle]
    },
    {
      name: "a gateway that drains takes new sessions",
      file: core,
      find: "    if (this.draining) {\n",
      replace: "    if (this.draining && live.end !== undefined) {\n",
      caughtBy: [lifecycle]
    },
    {
      name: "the drain waits for handlers without a bound",
      file: core,
      find: "return bounded(Effect.zipRight(drained, this.connections.closed), drainTimeout).pipe(",
      replace: "void drainTimeout\n    return Effect.zipRight(drained, this.connections.closed).pipe(",
      caughtBy: [lifecycle, races]
    },
    {
      name: "the drain begins further messages",
      file: hosted,
      find: "      this.loop.stop()\n",
      replace: '      this.driver.inbox.close("nothing more is handled")\n',
      caughtBy: [lifecycle]
    },
    {
      name: "a gateway that shuts down removes its sessions from the store",
      file: "src/gateway/session/sessionEnding.ts",
      find: 'return Effect.as(store.detach(id, fencedStore.generation, options.resumeWindow), "Kept")',
      replace: 'return Effect.as(store.remove(id, fencedStore.generation), "Kept")',
      caughtBy: [lifecycle, "test/gateway/presence.test.ts"]
    },
    {
      name: "what arrives in the packet of the handshake is lost",
      file: "src/node/internal/wsTransport.ts",
      find: "this.early = [event]",
      replace: "this.early = []",
      caughtBy: [connection]
    },
    {
      name: "anybody's x-forwarded-for is believed from its left end",
      file: "src/node/internal/clientAddress.ts",
      find: 'parse((hops.pop() ?? "").trim())',
      replace: 'parse((hops.shift() ?? "").trim())',
      caughtBy: ["test/node/clientAddress.test.ts"]
    }
  ]
}
