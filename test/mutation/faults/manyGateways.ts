import type { Group } from "../fault.js"

const store = "src/session/memoryStore.ts"
const mailbox = "src/session/memoryMailbox.ts"
const intake = "src/gateway/session/mailboxConsumer.ts"
const dispatch = "src/gateway/sendRouter.ts"
const hosted = "src/gateway/session/hostedSession.ts"
const news = "src/gateway/storeEvents.ts"

const laws = "test/session/sessionStore.test.ts"
const hearing = "test/gateway/manyGateways.test.ts"
const mail = "test/gateway/manyGatewaysMail.test.ts"
const hints = "test/gateway/manyGatewaysHints.test.ts"
const disconnect = "test/gateway/disconnect.test.ts"
const invitations = "test/gateway/manyGatewaysInvitations.test.ts"

export const group: Group = {
  title: "Many gateways: news, mail, who lives",
  faults: [
    {
      name: "what a store that lost its last writes does not know is taken for another gateway's",
      file: store,
      find: "gone: record === undefined || generation > record.generation",
      replace: "gone: record === undefined",
      caughtBy: [laws]
    },
    {
      name: "mail stays in the mailbox when it is appended",
      file: store,
      find: "            if (message.mail !== undefined) record.mailbox?.take(message.mail)\n",
      replace: "",
      caughtBy: [laws, mail]
    },
    {
      name: "an order is sent to the client",
      file: intake,
      find: "      if (isOrder) return",
      replace: "      if (isOrder && number < 0) return",
      caughtBy: [invitations]
    },
    {
      name: "an order stays in the mailbox, and is carried out again elsewhere",
      file: intake,
      find: "Effect.zipRight(this.obey(String(payload)), this.drop(number))",
      replace: "this.obey(String(payload))",
      caughtBy: [invitations]
    },
    {
      name: "an invitation is forgotten when the session moves",
      file: "src/gateway/session/hostedSession.ts",
      find: "    this.topics.restore(origin.invitations)\n",
      replace: "",
      caughtBy: [invitations]
    },
    {
      name: "an invitation that is over comes back when the session moves",
      file: "src/gateway/topics/sessionSubscriptions.ts",
      find: "      if (membership?.invited !== undefined) this.session.invited(this.memberships.invitations)\n",
      replace: "",
      caughtBy: [invitations]
    },
    {
      name: "the store is told of the first invitation alone",
      file: "src/gateway/session/invitationRecord.ts",
      find: "      this.telling = undefined\n",
      replace: "",
      caughtBy: [invitations]
    },
    {
      name: "the sessions of a principal are all that there are",
      file: store,
      find: "record.principal === principal && !isExpired(record) ? [record.id]",
      replace: "record.principal.length > 0 * principal.length && !isExpired(record) ? [record.id]",
      caughtBy: [laws, invitations]
    },
    {
      name: "mail is posted to a session that has expired",
      file: store,
      find: '          const record = kept(id)\n          if (record === undefined) return "Unknown"',
      replace: '          const record = records.get(id)\n          if (record === undefined) return "Unknown"',
      caughtBy: [laws]
    },
    {
      name: "mail that is posted again is left twice",
      file: mailbox,
      find: 'if (this.keys.has(key)) return "Posted"',
      replace: "",
      caughtBy: [laws, mail]
    },
    {
      name: "a mailbox holds one message too many",
      file: mailbox,
      find: "this.kept.length < bounds.messages",
      replace: "this.kept.length <= bounds.messages",
      caughtBy: [laws]
    },
    {
      name: "an owner hears of a takeover when it next asks the store",
      file: store,
      find: '      tell(record, generation - 1, { _tag: "TakenOver" })\n',
      replace: "",
      caughtBy: [laws, hearing]
    },
    {
      name: "the gateway does not listen to what the store says",
      file: "src/gateway/gatewayCore.ts",
      find: "      yield* store.watch(core.admission.storeEvents)\n",
      replace: "",
      caughtBy: [hearing, disconnect]
    },
    {
      name: "old news of a session that has come back ends it",
      file: hosted,
      find: "if (generation < this.fencedStore.generation) return",
      replace: "if (generation < 0) return",
      caughtBy: [hearing]
    },
    {
      name: "a takeover by this gateway itself is taken for another's",
      file: news,
      find: "if (asking === undefined) return this.sessions.get(id)?.heard(generation, loss)",
      replace: "if (asking !== null) return this.sessions.get(id)?.heard(generation, loss)",
      caughtBy: [hearing, "test/session/races.test.ts"]
    },
    {
      name: "the client of a session that was ended elsewhere is not told why",
      file: "src/gateway/session/endReason.ts",
      find: '    case "Ended":\n    case "Expired":\n      return loss.tombstone',
      replace: '    case "Expired":\n      return loss.tombstone',
      caughtBy: [hearing, disconnect]
    },
    {
      name: "a session that the store has lost is said to be elsewhere",
      file: hosted,
      find: '(gone) => this.finish(gone ? { _tag: "Lost" } : { _tag: "MovedAway" })',
      replace: '(gone) => this.finish(gone === undefined ? { _tag: "Lost" } : { _tag: "MovedAway" })',
      caughtBy: [hearing, disconnect]
    },
    {
      name: "mail that is heard of twice is sent twice",
      file: intake,
      find: "      if (number <= this.taken) return Effect.void\n",
      replace: "",
      caughtBy: [hints]
    },
    {
      name: "mail is sent without saying so to the store",
      file: intake,
      find: "return this.outbox.take(payload, number).pipe(",
      replace: "return this.outbox.send(payload).pipe(",
      caughtBy: [mail]
    },
    {
      name: "mail that comes while mail is fetched waits for the next",
      file: intake,
      find: '    const { phase } = this\n    this.phase = "Asked"\n',
      replace: '    const { phase } = this\n    if (phase === "Idle") this.phase = "Asked"\n',
      caughtBy: [hints]
    },
    {
      name: "the mail that the store gives with a session is not sent",
      file: "src/gateway/admission.ts",
      find: "session.restoreMail(stored.mail, this.storeEvents.hasMail(stored.id))",
      replace: "session.restoreMail([], this.storeEvents.hasMail(stored.id))",
      caughtBy: [mail]
    },
    {
      name: "mail that came while the session was asked for is not fetched",
      file: "src/gateway/admission.ts",
      find: "session.restoreMail(stored.mail, this.storeEvents.hasMail(stored.id))",
      replace: "session.restoreMail(stored.mail, false)",
      caughtBy: [hints]
    },
    {
      name: "what is sent to a session overtakes the mail that it came with",
      file: hosted,
      find: "const first = this.intake?.settled ?? Effect.void",
      replace: "const first = Effect.void",
      caughtBy: [mail]
    },
    {
      name: "a message whose session has moved away is refused",
      file: hosted,
      find: 'this.reason?._tag === "MovedAway" ?',
      replace: 'this.reason?._tag === "Bye" ?',
      caughtBy: [mail]
    },
    {
      name: "a message that the store has when its session moves away is sent again",
      file: "src/gateway/session/sessionRecord.ts",
      find: "return Effect.flatMap(Fiber.await(last.fiber), (exit) =>",
      replace:
        "if (seq > 0) return Effect.succeed(false)\n    return Effect.flatMap(Fiber.await(last.fiber), (exit) =>",
      caughtBy: [mail]
    },
    {
      name: "a message that the store may have when its session moves away is sent again",
      file: "src/gateway/session/fencedStore.ts",
      find: 'outcome === undefined ? outcome : "InDoubt"',
      replace: 'outcome === undefined ? outcome : "NotDone"',
      caughtBy: [mail]
    },
    {
      name: "a post that is tried again has a key of its own",
      file: dispatch,
      find: "const posted = Effect.flatMap(\n      this.patiently(this.services.store.post(id, mail, bounds)),",
      replace:
        "const posted = Effect.flatMap(\n      this.patiently(Effect.flatMap(this.credentials.id, (key) => this.services.store.post(id, { ...mail, key }, bounds))),",
      caughtBy: [mail]
    },
    {
      name: "a full mailbox loses what is sent",
      file: dispatch,
      find: 'return answer === "Full" ? Effect.fail(new Full({ id })) : Effect.void',
      replace: "return Effect.void",
      caughtBy: [mail]
    },
    {
      name: "a gateway that has ended is listed until its lease is over",
      file: "src/gateway/nodeHeartbeat.ts",
      find: "return Effect.addFinalizer(() => Effect.ignore(bounded(withdrawn, closeTimeout))).pipe(",
      replace: "return Effect.addFinalizer(() => Effect.asVoid(Effect.succeed(withdrawn))).pipe(",
      caughtBy: [hearing]
    },
    {
      name: "mail that was not heard of while the store failed is not looked for",
      file: "src/gateway/nodeHeartbeat.ts",
      find: "    isOut = false\n    return recovered\n",
      replace: "    isOut = false\n    return Effect.asVoid(Effect.succeed(recovered))\n",
      caughtBy: [hints]
    },
    {
      name: "a gateway that drains says that it is ready",
      file: "src/gateway/readiness.ts",
      find: "if (isDraining()) return",
      replace: "if (isDraining() && topics === null) return",
      caughtBy: [hearing]
    }
  ]
}
