// SPDX-License-Identifier: Apache-2.0
// Error recovery level 2: commands of lost connections taken over, by the right peer and by others, in time and too late.
import {
  BHS,
  DATA_IN,
  IscsiTaskFunction,
  IscsiTaskResponse,
  LOGOUT_RESPONSE,
  LogoutReason,
  LogoutResponse,
  Opcode,
  SCSI_RESPONSE,
} from '@lunkit/spec'
import { read10, somewhere, write10 } from '../cdb.ts'
import { Lun, strictLun } from '../lun.ts'
import { patientWrite } from '../patient-write.ts'
import { lunField } from '../pdu.ts'
import { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'
import {
  answerTo,
  dataFor,
  isGood,
  keysFor,
  logout,
  manage,
  reassign,
  settled,
  snack,
  Team,
} from '../team.ts'
import type { Answer } from '../wire.ts'
import { anyCommand, serveR2ts } from './connections.ts'

const OFFERS_NO_DATA = { InitialR2T: 'Yes', ImmediateData: 'No' }
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Loses a connection, in one way or another; gives one that lives, with the lost one's CID or its own. */
async function lose(team: Team, random: Random, gone: Peer): Promise<Peer> {
  const way = random.range(0, 3)
  if (way === 0) {
    // By a logout for recovery, from another.
    const other = team.live.find(one => one !== gone) ?? (await team.join(gone.cid + 7))
    const { itt, pdu } = logout(other, LogoutReason.removeConnectionForRecovery, gone.cid)
    other.send(pdu)
    const answer = await other.answer(
      ({ opcode, header }) => opcode === Opcode.logoutResponse && BHS.field.itt.get(header, 0) === itt,
    )
    if (answer === null || LOGOUT_RESPONSE.field.response.get(answer.header, 0) !== LogoutResponse.closed)
      throw new Error('Logout for recovery was refused')
    gone.tsih = 0
    return other
  }
  if (way === 1) {
    // By another that takes its place.
    const heir = await team.join(gone.cid)
    gone.tsih = 0
    return heir
  }
  gone.leave(way === 2 ? 'end' : 'destroy')
  gone.tsih = 0
  if (!(await gone.untilClosed(10_000))) throw new Error('Connection was not closed')
  // The target may still be about to hear of it: only a login with its CID makes that sure.
  return await team.join(gone.cid)
}

/** Asks to take a command over, until the loss of its connection has been noticed. */
async function takeOver(peer: Peer, itt: number, expDataSn = 0): Promise<number> {
  for (let tries = 0; ; tries++) {
    const response = await reassign(peer, itt, expDataSn)
    if (response !== IscsiTaskResponse.taskStillAllegiant || tries === 50) return response
    await pause(20)
  }
}

export const REASSIGNS: readonly Scenario[] = [
  {
    name: 'write that goes on over other connections',
    owed: 'nothing',
    async run(leader, random) {
      const team = await Team.gather(leader, { ...keysFor(random, 2), ...OFFERS_NO_DATA }, random.range(1, 2))
      let peer: Peer = leader
      const lun = strictLun(random)
      const blocks = random.range(1, 64)
      const parts = { lun, write: true, expected: blocks * 512 }
      const { itt, answer } = await patientWrite(peer, () =>
        peer.command(write10(somewhere(random, blocks), blocks), parts),
      )
      let last: Answer | null = answer
      let losses = random.range(1, 4)
      while (last !== null && last.opcode === Opcode.r2t) {
        const pdus = dataFor(peer, random, lun, last)
        if (losses > 0 && random.chance(0.5)) {
          losses--
          const bytes = Buffer.concat(pdus)
          peer.send(bytes.subarray(0, random.range(0, bytes.length)))
          peer = await lose(team, random, peer)
          const from = peer.answers.length
          const response = await takeOver(peer, itt)
          if (response !== IscsiTaskResponse.functionComplete)
            throw new Error(`Write could not be taken over: ${response}`)
          last = await answerTo(peer, itt, from)
          continue
        }
        const from = peer.answers.length
        for (const pdu of pdus) peer.send(pdu)
        last = await answerTo(peer, itt, from)
      }
      if (!isGood(last))
        throw new Error(
          `Write that was taken over was not good but ${last === null ? 'silent' : last.data.toString('hex')}`,
        )
      await settled(peer)
    },
  },
  {
    name: 'read that goes on over other connections',
    owed: 'nothing',
    async run(leader, random) {
      const team = await Team.gather(leader, keysFor(random, 2), random.range(1, 2))
      const blocks = random.range(1, 64)
      const expected = blocks * 512
      const { itt, pdu } = leader.command(read10(somewhere(random, blocks), blocks), {
        lun: strictLun(random),
        read: true,
        expected,
      })
      leader.acknowledges = false
      leader.send(pdu)
      if (random.chance(0.7)) await answerTo(leader, itt)
      // What came before the loss, up to the first gap.
      const pieces = leader.answers.filter(
        ({ opcode, header }) => opcode === Opcode.dataIn && BHS.field.itt.get(header, 0) === itt,
      )
      const have = random.range(0, pieces.length)
      const got = pieces.slice(0, have).reduce((sum, { data }) => sum + data.length, 0)
      const peer = await lose(team, random, leader)
      const from = peer.answers.length
      const response = await takeOver(peer, itt, have)
      // The command itself may have been lost.
      if (response === IscsiTaskResponse.taskDoesNotExist && pieces.length === 0) return
      if (response !== IscsiTaskResponse.functionComplete)
        throw new Error(`Read could not be taken over: ${response}`)
      const last = await answerTo(peer, itt, from)
      if (!isGood(last)) return
      let end = got
      for (const { opcode, header, data } of peer.answers.slice(from)) {
        if (opcode !== Opcode.dataIn || BHS.field.itt.get(header, 0) !== itt) continue
        const { bufferOffset } = DATA_IN.read(header)
        if (bufferOffset !== end) throw new Error(`Data goes on at ${bufferOffset}, not at ${end}`)
        end += data.length
      }
      if (end !== expected) throw new Error(`${end} of ${expected} bytes came in the end`)
      const { statSn } = SCSI_RESPONSE.read(last!.header)
      if (((peer.expStatSn - statSn) | 0) <= 0 && peer.acknowledges)
        throw new Error('Answers on a connection have gaps')
    },
  },
  {
    name: 'everything taken over at any time',
    owed: 'nothing',
    async run(peer, random) {
      const team = await Team.gather(peer, keysFor(random, 2), random.range(1, 4))
      const tags: number[] = [77]
      const seen = new Map<Peer, number>()
      let cid = 10
      for (let i = random.range(5, 60); i > 0; i--) {
        if (team.live.length === 0 && (await team.tryJoin(await team.newcomer(cid++))) !== 0) return
        const one = random.pick(team.live)
        const act = random.range(0, 9)
        if (act < 4) {
          const { itt, pdu } = anyCommand(one, random)
          tags.push(itt)
          one.send(pdu)
        } else if (act < 7) {
          const fields = {
            function: random.chance(0.8) ? IscsiTaskFunction.taskReassign : IscsiTaskFunction.abortTask,
            referencedTaskTag: random.chance(0.9) ? random.pick(tags) : random.next(),
            expDataSn: random.pick([0, 0, 0, 1, 2, 0xffff_ffff, random.next()]),
            refCmdSn: (one.cmdSn - random.range(0, 5)) >>> 0,
          }
          one.send(manage(one, fields).pdu)
        } else if (act === 7) {
          one.leave(random.pick(['end', 'destroy']))
          one.tsih = 0
        } else if (act === 8) {
          const reason = random.pick([LogoutReason.removeConnectionForRecovery, LogoutReason.closeConnection])
          one.send(logout(one, reason, random.range(1, cid)).pdu)
        } else await team.tryJoin(await team.newcomer(random.chance(0.5) ? random.range(1, 4) : cid++))
        if (random.chance(0.3)) await one.answer(() => false, random.range(1, 5))
        if (random.chance(0.3))
          one.send(snack(one, { type: random.range(0, 3), itt: random.pick(tags), ttt: random.range(1, 99) }))
        for (const each of team.live)
          if (random.chance(0.5)) seen.set(each, serveR2ts(each, random, seen.get(each) ?? 0))
      }
      const late = await team.newcomer(cid)
      if ((await team.tryJoin(late)) === 0) await settled(late)
    },
  },
  {
    name: 'stranded commands that are reset, aborted, replaced or forgotten',
    owed: 'nothing',
    async run(leader, random) {
      const keys = { ...keysFor(random, 2), ...OFFERS_NO_DATA }
      const team = await Team.gather(leader, keys, 2)
      const mate = team.all[1]!
      // What it holds up must come free again.
      const blocks = 8
      const attribute = random.pick([1, 1, 2, 3])
      const parts = { lun: Lun.scribble, write: true, expected: 4096, fields: { attribute } }
      leader.loose = true
      mate.loose = true
      const tags: number[] = []
      for (let i = random.range(1, 6); i > 0; i--) {
        const { itt, pdu } = leader.command(write10(somewhere(random, blocks), blocks), parts)
        tags.push(itt)
        leader.send(pdu)
      }
      if (random.chance(0.7)) await settled(leader)
      leader.leave('destroy')
      leader.tsih = 0
      switch (random.range(0, 5)) {
        case 0:
          for (const tag of tags)
            mate.send(manage(mate, { function: 1, referencedTaskTag: tag, lun: lunField(Lun.scribble) }).pdu)
          break
        case 1:
          mate.send(manage(mate, { function: random.pick([2, 4, 5]), lun: lunField(Lun.scribble) }).pdu)
          break
        case 2: {
          const { itt, pdu } = logout(mate, LogoutReason.closeSession, 0)
          mate.send(pdu)
          const isMine = ({ header }: Answer): boolean => BHS.field.itt.get(header, 0) === itt
          if ((await mate.answer(isMine)) === null && !mate.closed) throw new Error('Logout got no answer')
          return
        }
        case 3: {
          const again = await Peer.open(leader.place, leader.initiator)
          leader.mates.push(again)
          await again.login()
          if (!(await mate.untilClosed(10_000))) throw new Error('Replaced session was not closed')
          return
        }
        case 4:
          // Time2Retain runs out.
          await pause(1500)
          break
        default: {
          for (const tag of tags) {
            const response = await reassign(mate, tag)
            if (response === IscsiTaskResponse.functionComplete)
              mate.send(
                manage(mate, { function: 1, referencedTaskTag: tag, lun: lunField(Lun.scribble) }).pdu,
              )
          }
        }
      }
      await settled(mate)
      if (random.chance(0.5)) mate.leave('destroy')
    },
  },
  {
    name: 'much data kept for many who do not come back',
    owed: 'nothing',
    async run(leader, random) {
      const keys = { ...keysFor(random, 2), MaxRecvDataSegmentLength: '65536', MaxBurstLength: '1048576' }
      const team = await Team.gather(leader, { ...keys, DefaultTime2Retain: '3' }, random.range(1, 3))
      for (let i = random.range(1, 40); i > 0; i--) {
        const one = random.pick(team.live)
        one.acknowledges = false
        one.loose = true
        const cdb = read10(somewhere(random, 4096), 4096)
        // Two of these sessions use up what a unit may have of the memory.
        one.send(one.command(cdb, { lun: Lun.scribble, read: true, expected: 4096 * 512 }).pdu)
      }
      if (random.chance(0.5)) await leader.answer(() => false, random.range(1, 100))
      for (const one of team.all) {
        one.stall()
        one.leave()
      }
    },
  },
  {
    name: 'connections that come and go without an end',
    owed: 'nothing',
    async run(leader, random) {
      const team = await Team.gather(leader, { ...keysFor(random, 2), DefaultTime2Wait: '600' })
      for (let i = random.range(1, 12); i > 0; i--) {
        const cid = random.range(2, 0xffff)
        const one = await team.join(cid)
        // A write that is left there holds others up for as long as an initiator may owe data.
        one.loose = true
        for (let j = random.range(0, 4); j > 0; j--) one.send(anyCommand(one, random, Lun.scribble).pdu)
        if (random.chance(0.3)) await one.answer(() => false, 2)
        one.leave(random.pick(['end', 'destroy']))
        one.tsih = 0
        while (team.live.length > 2) await pause(2)
      }
      if (random.chance(0.5)) await settled(leader)
    },
  },
  {
    name: 'discovery and empty sessions that want to be kept',
    owed: 'nothing',
    async run(peer, random) {
      const keys = { ErrorRecoveryLevel: '2', DefaultTime2Wait: '3600', DefaultTime2Retain: '3600' }
      if (random.chance(0.5)) await peer.login({ ...keys, SessionType: 'Discovery' })
      else await peer.login({ ...keys, MaxConnections: '4' })
      peer.leave(random.pick(['end', 'destroy']))
    },
  },
]
