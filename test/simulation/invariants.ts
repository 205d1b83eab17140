/** The invariants of the design, §5, judged by what was written down. */
import { idOf, type Ledger, type Life } from "./ledger.js"
import type { Scenario } from "./scenario.js"

const resumeWindow = 120_000

/** Nothing goes wrong any more, and time enough has passed: who lives is connected, and has everything. */
export const atRest = (ledger: Ledger): void => {
  for (const life of ledger.lives) {
    if (life.crashed || life.ended !== undefined) continue
    const status = life.statuses.at(-1)?.status
    if (status?._tag !== "Ready") {
      ledger.violation(2, `${life.id} is ${status?._tag} although everything has been well for minutes`)
      continue
    }
    for (const [id, fate] of life.said) {
      if (fate === "pending") ledger.violation(2, `${id} is still waited for`)
    }
    lostToServer(ledger, life)
    lostToClient(ledger, life, status.session)
    const reading = life.readings.at(-1)
    const end = Math.max(0, ...ledger.log.keys())
    const last = reading?.publications.at(-1)?.position.offset
    if (reading?.publications.length !== 0 && last !== end) {
      ledger.violation(2, `${life.id} has read up to ${last}, and the log ends at ${end}`)
    }
  }
  for (const { fate, value } of ledger.publishings) {
    const life = ledger.lives.find(({ id }) => value.startsWith(`${id} `))
    if (fate === "pending" && life?.crashed === false && life.ended === undefined) {
      ledger.violation(2, `the publication "${value.trimEnd()}" is still waited for`)
    }
  }
}

/** What was accepted and not handled is no more than the client was told of. */
const lostToServer = (ledger: Ledger, life: Life): void => {
  const handled = new Set([...ledger.handled.values()].flat().map(({ id }) => id))
  const missing = [...life.said].filter(([id, fate]) => fate === "accepted" && !handled.has(id)).map(([id]) => id)
  const told = life.lost.reduce((sum, { outcomeUnknown }) => sum + outcomeUnknown, 0)
  if (missing.length > told) {
    ledger.violation(1, `${missing.join(", ")} were accepted and never handled; ${told} were reported as unknown`)
  }
}

/** What a gateway accepted for a session that lives there still has arrived. */
const lostToClient = (ledger: Ledger, life: Life, session: string): void => {
  for (const [id, sender] of ledger.senders) {
    if (sender.session !== session || sender.gone) continue
    const heard = life.heard.filter((one) => one.sender === id).length
    if (heard < sender.accepted) ledger.violation(1, `${life.id} has heard ${heard} of ${sender.accepted} from ${id}`)
  }
}

/** Whatever happened. */
export const always = (ledger: Ledger, scenario: Scenario): void => {
  handledOnce(ledger)
  order(ledger)
  fates(ledger)
  for (const life of ledger.lives) {
    heardOnce(ledger, life)
    readOnce(ledger, life)
    exactTime(ledger, life)
    resetsInOrder(ledger, life)
    if (!life.isMallory && life.ended !== undefined && life.ended._tag !== "Closed") {
      const why = life.ended._tag === "Stopped" ? `: ${life.ended.end.message}` : ""
      ledger.violation(7, `${life.id} ended, ${life.ended._tag}${why}`)
    }
  }
  if (ledger.epochs.size > 1) ledger.violation(2, `the topic had ${ledger.epochs.size} epochs in one broker`)
  if (scenario.plan.length === 0 && scenario.drainEvery === 0 && ledger.counts.resumes > 0) {
    ledger.violation(3, `${ledger.counts.resumes} connections were lost although nothing went wrong`)
  }
}

/** In order and without a gap, by each owner; again only by another owner, under the same stable id. */
const handledOnce = (ledger: Ledger): void => {
  const sessionOf = new Map<string, string>()
  for (const [session, handlings] of ledger.handled) {
    const lastOf = new Map<number, number>()
    const idAt = new Map<number, string>()
    let highest = 0
    for (const { id, owner, seq } of handlings) {
      const last = lastOf.get(owner)
      if (last === undefined ? seq > highest + 1 : seq !== last + 1) {
        ledger.violation(1, `${session}: ${seq} was handled by ${owner} after ${last ?? `${highest} by others`}`)
      }
      const known = idAt.get(seq)
      if (known !== undefined && known !== id) ledger.violation(1, `${session}: ${seq} is ${known} and ${id}`)
      const elsewhere = sessionOf.get(id)
      if (elsewhere !== undefined && elsewhere !== session) {
        ledger.violation(1, `${id} was handled in ${elsewhere} and again in ${session}`)
      }
      sessionOf.set(id, session)
      idAt.set(seq, id)
      lastOf.set(owner, seq)
      highest = Math.max(highest, seq)
    }
  }
}

/** What one fiber said was handled in the order in which it was said. */
const order = (ledger: Ledger): void => {
  const first = new Map<string, number>()
  for (const [index, { id }] of [...ledger.handled.values()].flat().entries()) {
    if (!first.has(id)) first.set(id, index)
  }
  for (const life of ledger.lives) {
    for (const by of ["send", "deliver"] as const) {
      let before = -1
      for (let n = 1; n <= life.said.size; n++) {
        const id = idOf({ life: life.id, by, n })
        const at = first.get(id) ?? before
        if (at < before) ledger.violation(1, `${id} was handled before an earlier one`)
        before = at
      }
    }
  }
}

/** What its sender was told is what has happened. */
const fates = (ledger: Ledger): void => {
  const all = [...ledger.handled.values()].flat()
  const handled = new Set(all.map(({ id }) => id))
  const refused = new Set(all.filter(({ isRefused }) => isRefused).map(({ id }) => id))
  for (const life of ledger.lives) {
    for (const [id, fate] of life.said) {
      if (fate === "processed" && refused.has(id)) ledger.violation(1, `${id} was reported processed, and was refused`)
      if (fate === "refused" && !refused.has(id)) ledger.violation(1, `${id} was reported refused, and was not`)
      if (fate === "processed" && !handled.has(id)) ledger.violation(1, `${id} was reported processed, and was not`)
      if (fate === "not sent" && handled.has(id)) ledger.violation(1, `${id} was reported not sent, and was handled`)
    }
  }
  const values = [...ledger.log.values()]
  for (const { fate, offset, value } of ledger.publishings) {
    const copies = values.filter((published) => published === value).length
    if (copies > 1) ledger.violation(1, `"${value.trimEnd()}" was published ${copies} times`)
    if (fate === "not sent" && copies > 0)
      ledger.violation(1, `"${value.trimEnd()}" was reported not sent, and was published`)
    if (fate === "processed" && ledger.log.get(offset ?? 0) !== value) {
      ledger.violation(1, `"${value.trimEnd()}" was reported published at ${offset}, and is not there`)
    }
  }
}

const heardOnce = (ledger: Ledger, life: Life): void => {
  const last = new Map<string, number>()
  for (const { n, sender } of life.heard) {
    const before = last.get(sender) ?? 0
    if (n !== before + 1) ledger.violation(1, `${life.id} heard ${n} from ${sender} after ${before}`)
    last.set(sender, n)
  }
}

/** Each publication once, in order, without a gap, as it is in the log. */
const readOnce = (ledger: Ledger, life: Life): void => {
  for (const { publications } of life.readings) {
    let before: number | undefined
    for (const { position, skipped, value } of publications) {
      if (before !== undefined && position.offset !== before + 1) {
        ledger.violation(1, `${life.id} read ${position.offset} after ${before}`)
      }
      if (skipped > 0) ledger.violation(2, `${life.id} skipped ${skipped} publications of a topic that skips none`)
      if (ledger.log.get(position.offset) !== value)
        ledger.violation(1, `${life.id} read ${String(value).trimEnd()} at ${position.offset}`)
      before = position.offset
    }
  }
}

/** Retries come when they were said to come, a dead peer is found at its deadline; a machine that sleeps is late. */
const exactTime = (ledger: Ledger, life: Life): void => {
  const slept = (from: number, to: number) =>
    ledger.sleeps.some((sleep) => sleep.machine === life.name && sleep.from <= to && sleep.to >= from)
  life.statuses.forEach(({ at, status }, index) => {
    if (status._tag !== "Waiting") return
    const { delay, reason, until } = status
    const next = life.statuses[index + 1]
    // Its own wall time.
    const ahead = ledger.ahead(life.name, at)
    const due = until - ahead
    if (next?.status._tag === "Connecting" && !slept(at, due) && next.at !== due) {
      ledger.violation(3, `${life.id} was to try again at ${due}, and did at ${next.at}`)
    }
    const given = reason._tag === "DialRefused" || reason._tag === "ClosedByPeer"
    if (!given && !(delay > 0 && delay <= 30_000)) ledger.violation(3, `${life.id} waits ${delay} ms`)
    if (reason._tag === "ReadDeadlineExceeded" && !slept(reason.lastActivity - ahead, at)) {
      const due = reason.lastActivity - ahead + reason.deadline
      if (at !== due) ledger.violation(3, `${life.id} found its peer dead at ${at}, due at ${due}`)
    }
  })
}

/** A session is lost only by its window, and its client is told. */
const resetsInOrder = (ledger: Ledger, life: Life): void => {
  let session: string | undefined
  for (const { at, status } of life.statuses) {
    if (status._tag !== "Ready") continue
    if (status.start._tag === "Reset") {
      const { reason } = status.start
      const detached = session === undefined ? undefined : ledger.detached.get(session)
      if (reason === "ended" && life.isMallory) {
        // It died of a message of his.
      } else if (reason !== "expired") {
        ledger.violation(1, `${life.id} lost ${session}: ${reason}`)
      } else if (detached === undefined || at - detached < resumeWindow) {
        ledger.violation(1, `${life.id} lost ${session} as expired, detached at ${detached}, asked at ${at}`)
      }
    }
    session = status.session
  }
  const resets = life.statuses.filter(({ status }) => status._tag === "Ready" && status.start._tag === "Reset").length
  if (resets !== life.lost.length && !life.crashed) {
    ledger.violation(2, `${life.id} lost ${resets} sessions, and was told of ${life.lost.length}`)
  }
}
