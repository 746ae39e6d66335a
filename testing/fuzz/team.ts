// SPDX-License-Identifier: Apache-2.0
// A session of several peers, which count one CmdSN together; and the requests of such sessions.
import {
  BHS,
  IscsiTaskFunction,
  LOGOUT_REQUEST,
  Opcode,
  R2T,
  RESERVED_TAG,
  SCSI_RESPONSE,
  SNACK,
  Status,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { payload } from './content.ts'
import { lunField, text } from './pdu.ts'
import { Peer } from './peer.ts'
import type { Random } from './random.ts'
import type { Answer } from './wire.ts'

type Keys = Readonly<Record<string, string>>
type Fields = Readonly<Record<string, number | Uint8Array>>

/** Keys of one connection, which it offers again when it joins. */
const OF_CONNECTION = ['HeaderDigest', 'DataDigest', 'MaxRecvDataSegmentLength']

/** Keys for a session at this level, with pieces and bursts of all sizes. */
export function keysFor(random: Random, level: number, connections = 4): Record<string, string> {
  const piece = random.pick([512, 516, 1024, 8192, 65_536])
  return {
    ErrorRecoveryLevel: String(level),
    MaxConnections: String(connections),
    DefaultTime2Wait: '0',
    DefaultTime2Retain: '1',
    MaxRecvDataSegmentLength: String(piece),
    MaxBurstLength: String(piece * random.range(1, 4)),
    InitialR2T: random.chance(0.7) ? 'Yes' : 'No',
    ImmediateData: random.chance(0.5) ? 'Yes' : 'No',
    ...(random.chance(0.3) && { HeaderDigest: 'CRC32C' }),
    ...(random.chance(0.4) && { DataDigest: 'CRC32C' }),
  }
}

export class Team {
  readonly leader: Peer
  /** Of the session; a peer without one is none of it any more. */
  readonly tsih: number
  readonly #keys: Keys

  private constructor(leader: Peer, keys: Keys) {
    this.leader = leader
    this.tsih = leader.tsih
    this.#keys = keys
  }

  /** The leader logs in, and others join it with CIDs from 2 on. */
  static async gather(leader: Peer, keys: Keys, connections = 1): Promise<Team> {
    leader.acknowledges = true
    await leader.login(keys)
    const team = new Team(leader, keys)
    for (let cid = 2; cid <= connections; cid++) await team.join(cid)
    return team
  }

  get level(): number {
    return Number(this.leader.settled['ErrorRecoveryLevel'] ?? 0)
  }

  /** Those whose connections are open and logged in. */
  get live(): Peer[] {
    return this.all.filter(
      ({ closed, tsih, settled: keys }) => !closed && tsih !== 0 && 'MaxRecvDataSegmentLength' in keys,
    )
  }

  get all(): readonly Peer[] {
    return [this.leader, ...this.leader.mates]
  }

  /** A new connection that has said nothing yet. */
  async newcomer(cid: number): Promise<Peer> {
    const { place, initiator, numbers } = this.leader
    const peer = await Peer.open(place, initiator, numbers)
    this.leader.mates.push(peer)
    peer.acknowledges = true
    peer.loose = this.leader.loose
    peer.cid = cid
    peer.tsih = this.tsih
    return peer
  }

  /** Status of the login; null if there was no answer. */
  async tryJoin(peer: Peer): Promise<number | null> {
    const keys = Object.fromEntries(Object.entries(this.#keys).filter(([key]) => OF_CONNECTION.includes(key)))
    const status = await peer.tryLogin(keys)
    if (status !== 0) peer.tsih = 0
    return status
  }

  async join(cid: number): Promise<Peer> {
    const peer = await this.newcomer(cid)
    const status = await this.tryJoin(peer)
    if (status !== 0) throw new Error(`Good login to a session ended with status ${status?.toString(16)}`)
    return peer
  }
}

/** The answer to a command: SCSI Response, Reject or R2T that came from `from` on. */
export const answerTo = (peer: Peer, itt: number, from = 0, ms = 10_000): Promise<Answer | null> =>
  peer.answer(
    ({ opcode, header }) =>
      (opcode === Opcode.scsiResponse || opcode === Opcode.r2t) && BHS.field.itt.get(header, 0) === itt,
    ms,
    from,
  )

export const isGood = (answer: Answer | null): boolean =>
  answer?.opcode === Opcode.scsiResponse && SCSI_RESPONSE.field.status.get(answer.header, 0) === Status.good

/** Data for one R2T, in one PDU or several, the last of which ends the sequence. */
export function dataFor(peer: Peer, random: Random, lun: number, r2t: Answer, spoilt = -1): Buffer[] {
  const { itt, ttt, bufferOffset, desiredLength } = R2T.read(r2t.header)
  const count = random.range(1, Math.min(4, Math.ceil(desiredLength / 512)))
  const part = Math.ceil(desiredLength / count / 4) * 4
  const pdus: Buffer[] = []
  for (let at = 0; at < desiredLength; at += part) {
    const length = Math.min(part, desiredLength - at)
    const final = at + length === desiredLength ? 1 : 0
    const fields = { lun: lunField(lun), final, dataSn: pdus.length, bufferOffset: bufferOffset + at }
    const damage = spoilt === pdus.length ? 'data' : null
    pdus.push(peer.dataOut(itt, ttt, fields, payload(random, length), { damage }))
  }
  return pdus
}

export const snack = (peer: Peer, fields: Fields): Buffer =>
  peer.pdu(SNACK, Opcode.snack, {
    final: 1,
    itt: RESERVED_TAG,
    ttt: RESERVED_TAG,
    expStatSn: peer.expStatSn,
    ...fields,
  })

/** A task management request, immediate, so that no shut window keeps it out; gives its tag. */
export function manage(peer: Peer, fields: Fields): { itt: number; pdu: Buffer } {
  const itt = peer.itt++
  const numbers = { cmdSn: peer.cmdSn, expStatSn: peer.expStatSn }
  const header = { immediate: 1, final: 1, itt, ...numbers, ...fields }
  return { itt, pdu: peer.pdu(TASK_MANAGEMENT_REQUEST, Opcode.taskManagementRequest, header) }
}

/** Sends TASK REASSIGN for a tag; the response, -1 without one. */
export async function reassign(peer: Peer, tag: number, expDataSn = 0): Promise<number> {
  const from = peer.answers.length
  const fields = { function: IscsiTaskFunction.taskReassign, referencedTaskTag: tag, expDataSn }
  const { itt, pdu } = manage(peer, fields)
  peer.send(pdu)
  const answer = await peer.answer(
    ({ opcode, header }) => opcode === Opcode.taskManagementResponse && BHS.field.itt.get(header, 0) === itt,
    10_000,
    from,
  )
  return answer === null ? -1 : TASK_MANAGEMENT_RESPONSE.field.response.get(answer.header, 0)
}

/** A logout request, immediate; gives its tag. */
export function logout(peer: Peer, reason: number, cid: number): { itt: number; pdu: Buffer } {
  const itt = peer.itt++
  const numbers = { cmdSn: peer.cmdSn, expStatSn: peer.expStatSn }
  const header = { immediate: 1, final: 1, reason, cid, itt, ...numbers }
  return { itt, pdu: peer.pdu(LOGOUT_REQUEST, Opcode.logoutRequest, header) }
}

/** A whole text request, immediate. */
export function textRequest(peer: Peer, pairs: Keys, fields: Fields = {}): { itt: number; pdu: Buffer } {
  const itt = peer.itt++
  const numbers = { cmdSn: peer.cmdSn, expStatSn: peer.expStatSn }
  const header = { immediate: 1, final: 1, itt, ttt: RESERVED_TAG, ...numbers, ...fields }
  return { itt, pdu: peer.pdu(TEXT_REQUEST, Opcode.textRequest, header, { data: text(pairs) }) }
}

/** The peer has heard everything that it asked for before: a ping behind it came back. */
export async function settled(peer: Peer): Promise<void> {
  if (!(await peer.ping()) && !peer.closed) throw new Error('Good ping got no echo')
}
