// SPDX-License-Identifier: Apache-2.0
// Scripts of commands as a kind of host sends them, byte by byte, and the answers that it needs.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { readSense, Status } from '@lunkit/spec'
import { openSession, type Session } from 'lunkit/initiator'

/** Data that earlier steps kept under a name. */
export type Kept = Record<string, Buffer>

export interface Step {
  /** Which of the script's hosts sends it. */
  readonly host: string
  readonly what: string
  /** What the host makes of the answer. */
  readonly why: string
  /** Hexadecimal, blanks ignored. */
  readonly cdb: string
  readonly out?: Buffer | ((kept: Kept) => Buffer)
  /** Bytes of the Data-In buffer. */
  readonly room?: number
  /** GOOD if not given, CHECK CONDITION where there is sense. */
  readonly status?: number
  /** Sense key, ASC and ASCQ of CHECK CONDITION, as in `6 29 00`; a dot stands for any digit. */
  readonly sense?: string
  /** INFORMATION of the sense data. */
  readonly information?: number
  readonly check?: (data: Buffer, kept: Kept) => void
  /** The data is kept for later steps. */
  readonly keep?: string
  /** Bytes of the Data-Out buffer that may be left over, 0 if not given. */
  readonly underflow?: number
}

export interface Hosts {
  /** Initiator names of the hosts of a script. */
  readonly names: Readonly<Record<string, string>>
  /** Their way of login. */
  readonly login?: Parameters<typeof openSession>[1]
}

const hex = (digits: number, width: number): string => digits.toString(16).padStart(width, '0')

function senseText(sense: Uint8Array): { code: string; information: number | null } {
  const read = readSense(sense)
  assert.ok(read !== null, 'CHECK CONDITION came without sense data')
  return {
    code: `${hex(read.key, 1)} ${hex(read.asc, 2)} ${hex(read.ascq, 2)}`,
    information: read.information === null ? null : Number(read.information),
  }
}

/** Plays the steps in their order, each as a test of its own. */
export async function play(t: TestContext, url: string, hosts: Hosts, steps: readonly Step[]): Promise<void> {
  const sessions = new Map<string, Session>()
  const kept: Kept = {}
  try {
    for (const [name, initiatorName] of Object.entries(hosts.names))
      sessions.set(name, await openSession(url, { ...hosts.login, initiatorName }))
    for (const step of steps)
      await t.test(`${step.host}: ${step.what}`, () => run(sessions.get(step.host)!, step, kept))
  } finally {
    for (const session of sessions.values()) await session.close()
  }
}

async function run(session: Session, step: Step, kept: Kept): Promise<void> {
  const out = typeof step.out === 'function' ? step.out(kept) : step.out
  const cdb = Buffer.from(step.cdb.replaceAll(' ', ''), 'hex')
  const result = await session.execute({
    lun: 0,
    cdb,
    ...(out !== undefined && { dataOut: out }),
    ...(step.room !== undefined && { expectedIn: step.room }),
  })
  const wanted = step.status ?? (step.sense === undefined ? Status.good : Status.checkCondition)
  const said = result.status === Status.checkCondition ? senseText(result.sense) : null
  assert.equal(result.status, wanted, `${step.why}\nsense ${said?.code}`)
  if (step.sense !== undefined) assert.match(said!.code, new RegExp(`^${step.sense}$`), step.why)
  if (step.information !== undefined) assert.equal(said!.information, step.information, step.why)
  const data = Buffer.from(result.dataIn)
  if (out !== undefined && wanted === Status.good) {
    assert.equal(result.underflow, step.underflow ?? 0, `${step.why}: left over`)
    assert.equal(result.overflow, 0, step.why)
  }
  step.check?.(data, kept)
  if (step.keep !== undefined) kept[step.keep] = data
}
