/** The machines of a network, what runs on them, and the controls over both. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import { Dialer } from "../../connection/Dialer.js"
import { Listener } from "../../connection/Listener.js"
import { Credentials, type Service as CredentialsService } from "../../session/Credentials.js"
import { Machine as MachineTag } from "../Machine.js"
import { Alarm } from "./alarm.js"
import { Connections } from "./connections.js"
import { Machine } from "./machine.js"
import type { MemoryNetwork, OnMachine, WayOptions } from "./network.js"
import { Paths } from "./paths.js"
import { Remote } from "./remote.js"
import { type Conditions, imperfect, type Surroundings } from "./wire.js"

type Controls = MemoryNetwork["Type"]

const conditionsOf = ({ bandwidth, jitter, latency }: WayOptions): Conditions =>
  imperfect({
    ...(latency === undefined ? {} : { latency: Duration.toMillis(latency) }),
    ...(jitter === undefined ? {} : { jitter: Duration.toMillis(jitter) }),
    ...(bandwidth === undefined ? {} : { bandwidth })
  })

export const make = (
  clientPings: boolean,
  credentials: CredentialsService
): Effect.Effect<
  { readonly controls: Controls; readonly onMachine: (name: string) => Context.Context<OnMachine> },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const networkRandom = yield* Effect.random
    // Closed after the links are cut: nothing that a program does at its end waits for a peer.
    const programs = yield* Effect.acquireRelease(Scope.make(), Scope.close)
    const fork = yield* FiberSet.makeRuntime<never>()

    // Drawn when it is first needed: a network without jitter leaves the program's Random alone.
    let random: PCGRandom | undefined
    const shake = ({ jitter }: WayOptions) =>
      jitter === undefined || random !== undefined
        ? Effect.void
        : Effect.map(networkRandom.nextInt, (seed) => {
            random = new PCGRandom(seed)
          })
    const now = () => clock.unsafeCurrentTimeMillis()
    const alarm = new Alarm(now, (effect) => void fork(effect))
    const surroundings: Surroundings = {
      now,
      after: (millis, then) => alarm.after(millis, then),
      random: () => random?.number() ?? 0
    }

    const known = new Map<string, Machine>()
    const machine = (name: string): Machine => {
      const found = known.get(name)
      if (found !== undefined) return found
      const made = new Machine(name)
      known.set(name, made)
      return made
    }
    const paths = new Paths(surroundings, (name) => known.get(name)?.isAsleep === true)
    const connections = new Connections({
      machine,
      names: () => known.keys(),
      paths,
      surroundings,
      clientPings
    })
    const remote = new Remote({
      machine,
      paths,
      alarm,
      fork,
      isRefused: (to) => connections.reachOf(to)._tag !== "Open"
    })

    const onMachine = (name: string): Context.Context<OnMachine> => {
      const here = machine(name)
      const { boot } = here
      return Context.make(Dialer, connections.dialer(here, boot)).pipe(
        Context.add(Listener, connections.listener(here, boot)),
        Context.add(Credentials, credentials),
        Context.add(MachineTag, remote.from(here, boot))
      )
    }

    // One layer after the other: the clock of a merged one would stay behind with whoever it was provided to.
    const on = (name: string): Layer.Layer<OnMachine> =>
      Layer.flatMap(
        Layer.suspend(() => Layer.setClock(machine(name).clock(clock))),
        () => Layer.syncContext(() => onMachine(name))
      )

    const run: Controls["run"] = <A, E, R>(name: string, program: Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const here = machine(name)
        if (!here.boot.isUp) return yield* Effect.dieMessage(`the machine ${name} has crashed: restart it first`)
        // Its services and its fiber's settings: after a restart they are the same.
        const runtime = yield* Effect.runtime<Exclude<R, OnMachine>>()
        const started = Effect.suspend(() =>
          // The layer gives what is on a machine, the runtime everything else.
          (program as Effect.Effect<A, E, OnMachine | Exclude<R, OnMachine>>).pipe(
            Effect.provide(on(name)),
            Effect.provide(runtime),
            Effect.forkIn(programs),
            Effect.tap((fiber) => Effect.sync(() => here.add(fiber)))
          )
        )
        here.hasClock = true
        here.programs.push(started)
        return yield* started
      })

    /** Dies where it would have no effect. */
    const clocked = (name: string, change: (here: Machine) => void) =>
      Effect.suspend(() => {
        const here = machine(name)
        if (!here.hasClock) {
          return Effect.dieMessage(
            `nothing runs on the machine ${name}: start its program with network.run or network.on`
          )
        }
        return Effect.sync(() => {
          change(here)
          paths.refresh()
        })
      })

    const between = (one: string, other: string, isSilent: boolean) => {
      paths.silence(one, other, isSilent)
      paths.silence(other, one, isSilent)
    }

    const controls: Controls = {
      links: Effect.sync(() => connections.links()),
      latest: Effect.suspend(() => {
        const latest = connections.links().at(-1)
        return latest === undefined ? Effect.dieMessage("no link is open") : Effect.succeed(latest)
      }),
      onLink: (change) =>
        Effect.sync(() => {
          connections.onLink = change
        }),
      dials: Effect.sync(() => connections.dials),
      address: (address, name = "client") => Effect.sync(() => connections.setAddress(name, address)),
      cut: (one, other) =>
        Effect.sync(() => {
          connections.cut(one, other)
          remote.cut(one, other)
        }),
      reach: (reach, to) => Effect.sync(() => connections.setReach(reach, to)),
      silence: (from, to) => Effect.sync(() => paths.silence(from, to, true)),
      heal: (from, to) => Effect.sync(() => paths.silence(from, to, false)),
      partition: (one, other) => Effect.sync(() => between(one, other, true)),
      rejoin: (one, other) => Effect.sync(() => between(one, other, false)),
      way: (options, from, to) =>
        Effect.zipRight(
          shake(options),
          Effect.sync(() => paths.change(from, to, conditionsOf(options)))
        ),
      congest: (options, from, to) =>
        Effect.zipRight(
          shake(options),
          Effect.sync(() => paths.congest(from, to, conditionsOf(options)))
        ),
      clear: (from, to) => Effect.sync(() => paths.congest(from, to, undefined)),
      stall: (reader) => Effect.sync(() => connections.stall(reader, true)),
      release: (reader) => Effect.sync(() => connections.stall(reader, false)),
      on,
      run,
      suspend: (name, options) => clocked(name, (here) => here.fallAsleep(clock, options?.monotonic !== "stops")),
      stepClock: (by, name) =>
        clocked(name, (here) => here.stepClock(Duration.toMillis(by.forward ?? 0) - Duration.toMillis(by.back ?? 0))),
      wake: (name) => clocked(name, (here) => here.wake(clock)),
      crash: (name, options) =>
        Effect.sync(() => {
          const here = machine(name)
          if (!here.boot.isUp) return
          const isTold = options?.isTold ?? true
          connections.crash(name, isTold)
          remote.crash(name, isTold)
          here.crash(clock)
          paths.refresh()
        }),
      restart: (name) =>
        Effect.suspend(() => {
          const here = machine(name)
          if (here.boot.isUp)
            return Effect.dieMessage(`the machine ${name} is running: restart is for one that crashed`)
          here.start()
          connections.restart(name)
          return Effect.forEach([...here.programs], (start) => start, { discard: true })
        })
    }
    yield* Effect.addFinalizer(() => {
      for (const { boot } of known.values()) boot.isUp = false
      return controls.cut()
    })
    return { controls, onMachine }
  })
