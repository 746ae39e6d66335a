// SPDX-License-Identifier: Apache-2.0
// Many fuzz peers at once, for a given time, each connection with a seed of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { CORPUS } from './corpus.ts'
import type { EventLog } from './event-log.ts'
import { harry, harryTls } from './harry.ts'
import { runOnce } from './judge.ts'
import { Peer, type Place } from './peer.ts'
import { Random } from './random.ts'
import type { Scenario } from './scenario.ts'

export interface CampaignOptions {
  /** The open target, and one that wants CHAP with a secret that no peer knows. */
  readonly place: Place
  readonly chapPlace: Place
  /** One whose operator never rests; with a TLS portal, and what begins a handshake with it, where there is one. */
  readonly unsteadyPlace: Place
  readonly tls: { readonly place: Place; readonly hello: Buffer } | null
  readonly seed: number
  readonly seconds: number
  readonly scenarios: readonly Scenario[]
  readonly events: EventLog
  /** Asked now and then: true ends the campaign early. */
  readonly isOver: () => boolean
}

export interface Report {
  /** Connections by scenario. */
  readonly runs: Readonly<Record<string, number>>
  /** Each with the seed that shows it again. */
  readonly failures: readonly string[]
  /** Silent peers that were cut off in time. */
  readonly cutOff: number
}

const LANES = 6
/** Those at the unsteady target. */
const HARRYING_LANES = 2
const MOST_FAILURES = 10

/** Runs the corpus once and then random scenarios; beside them some peers fall silent. */
export async function campaign(options: CampaignOptions): Promise<Report> {
  const { place, scenarios, events } = options
  const random = new Random(options.seed)
  const runs: Record<string, number> = {}
  const failures: string[] = []
  const end = Date.now() + options.seconds * 1000
  const silent = fallSilent(place, end, failures)
  const one = async (scenario: Scenario, seed: number): Promise<void> => {
    const where = scenario.needs === 'chap' ? options.chapPlace : place
    const failure = await runOnce(where, scenario, seed, events).catch((error: Error) => error.message)
    runs[scenario.name] = (runs[scenario.name] ?? 0) + 1
    if (failure !== null) failures.push(`{ scenario: '${scenario.name}', seed: ${seed} }: ${failure}`)
  }
  for (const { scenario: name, seed } of CORPUS) {
    const scenario = scenarios.find(candidate => candidate.name === name)
    if (scenario !== undefined) await one(scenario, seed)
  }
  // Every scenario comes once before chance decides.
  const first = [...scenarios]
  const lane = async (): Promise<void> => {
    while (first.length > 0 || (Date.now() < end && failures.length < MOST_FAILURES && !options.isOver())) {
      await one(first.pop() ?? random.pick(scenarios), random.next())
    }
  }
  const harried = scenarios.filter(({ needs }) => needs === undefined)
  const harryOne = async (): Promise<void> => {
    while (harried.length > 0 && Date.now() < end && failures.length < MOST_FAILURES && !options.isOver()) {
      const scenario = random.pick(harried)
      const seed = random.next()
      const overTls = options.tls !== null && random.chance(0.2)
      if (overTls) await harryTls(options.tls!.place, options.tls!.hello, seed)
      const failure = overTls ? null : await harry(options.unsteadyPlace, scenario, seed)
      const name = overTls ? 'at TLS' : 'at an unsteady target'
      runs[name] = (runs[name] ?? 0) + 1
      if (failure !== null)
        failures.push(`At the unsteady target { scenario: '${scenario.name}', seed: ${seed} }: ${failure}`)
    }
  }
  const lanes = [...Array.from({ length: LANES }, lane), ...Array.from({ length: HARRYING_LANES }, harryOne)]
  await Promise.all(lanes)
  return { runs, failures, cutOff: await silent }
}

/** Limits of the target until a silent connection is cut off, in ms, and what a busy machine may add. */
const LOGIN_MS = 15_000
const SESSION_MS = 30_000
const LATE_MS = 8000

/** Peers that stop in the middle; gives how many the target cut off within its limits, as far as there was time. */
async function fallSilent(place: Place, end: number, failures: string[]): Promise<number> {
  const states: [string, number, (peer: Peer) => Promise<void> | void][] = [
    ['before login', LOGIN_MS, () => undefined],
    ['in a header', LOGIN_MS, peer => peer.send(Buffer.alloc(20))],
    [
      'in a login',
      LOGIN_MS,
      peer => peer.send(peer.loginRequest({ transit: 0 }, peer.names()).subarray(0, 60)),
    ],
    ['after login', SESSION_MS, peer => peer.login()],
  ]
  let cutOff = 0
  const watch = async ([where, limit, act]: (typeof states)[number], index: number): Promise<void> => {
    const peer = await Peer.open(place, `iqn.2026-11.org.example:silent.${index}`)
    try {
      await act(peer)
      const due = limit + LATE_MS
      if (await peer.untilClosed(Math.max(0, Math.min(due, end - Date.now())))) cutOff++
      else if (end - Date.now() > 0) failures.push(`Peer silent ${where} was not cut off within ${due} ms`)
    } finally {
      peer.leave()
    }
  }
  await Promise.all(states.map(watch)).catch((error: Error) => void failures.push(error.message))
  return cutOff
}

/** Waits a moment for events that are still on their way. */
export const settleDown = (): Promise<void> => sleep(200)
