// SPDX-License-Identifier: Apache-2.0
// Sessions of several connections: joining, taking places, logging out, commands spread over all, cuts at every point.
import { BHS, LOGIN_RESPONSE, LogoutReason, Opcode, R2T, SCSI_RESPONSE } from '@lunkit/spec'
import { read10, somewhere, write10 } from '../cdb.ts'
import { payload } from '../content.ts'
import { Lun, strictLun } from '../lun.ts'
import { patientWrite } from '../patient-write.ts'
import { lunField } from '../pdu.ts'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'
import { answerTo, dataFor, isGood, keysFor, logout, manage, settled, Team } from '../team.ts'
import type { Answer } from '../wire.ts'

/** A read or a write with immediate data, if it may have any. */
export function anyCommand(
  peer: Peer,
  random: Random,
  lun: number = strictLun(random),
): { itt: number; pdu: Buffer } {
  const blocks = random.range(1, 16)
  const at = somewhere(random, blocks)
  const expected = blocks * 512
  if (random.chance(0.6)) return peer.command(read10(at, blocks), { lun, read: true, expected })
  const most = peer.settled['ImmediateData'] === 'No' ? 0 : 512
  const data = payload(random, random.chance(0.5) ? most : 0)
  return peer.command(write10(at, blocks), { lun, write: true, expected, data })
}

/** Brings the data of every R2T that has come to a peer, once. */
export function serveR2ts(peer: Peer, random: Random, seen: number): number {
  for (; seen < peer.answers.length; seen++) {
    const answer = peer.answers[seen]!
    if (answer.opcode !== Opcode.r2t) continue
    for (const pdu of dataFor(peer, random, R2T.read(answer.header).lun[1]!, answer)) peer.send(pdu)
  }
  return seen
}

/** Commands that may be sent after one that has had its answer. */
async function windowOf(peer: Peer, lun: number): Promise<number> {
  const { itt, pdu } = peer.command(new Uint8Array(16), { lun })
  peer.send(pdu)
  const answer = await answerTo(peer, itt)
  if (answer === null) throw new Error('Good command got no answer')
  const { expCmdSn, maxCmdSn } = SCSI_RESPONSE.read(answer.header)
  return (maxCmdSn - expCmdSn) | 0
}

/** A peer that wants into the session and must not get in. */
const refused = (
  name: string,
  act: (peer: Peer, random: Random, team: Team) => void | Promise<void>,
): Scenario => ({
  name,
  owed: 'echo',
  async run(peer, random) {
    const team = await Team.gather(peer, { ...keysFor(random, random.range(0, 2), 2) }, random.range(1, 2))
    const newcomer = await team.newcomer(random.range(3, 0xffff))
    await act(newcomer, random, team)
    if (!(await newcomer.untilClosed(10_000))) throw new Error('Refused login was not closed')
    const isIn = newcomer.answers.some(
      ({ opcode, header }) =>
        opcode === Opcode.loginResponse && LOGIN_RESPONSE.field.statusClass.get(header, 0) === 0,
    )
    if (isIn) throw new Error('A peer got into the session of another')
  },
})

export const CONNECTIONS: readonly Scenario[] = [
  refused('session of another ISID', (peer, random) => {
    peer.send(peer.loginRequest({ isid: random.bytes(6) }, peer.names()))
  }),
  refused('session of another initiator', peer => {
    peer.send(peer.loginRequest({}, { ...peer.names(), InitiatorName: `${peer.initiator}.thief` }))
  }),
  refused('session of a TSIH that nobody has', (peer, random) => {
    const tsih = ((peer.tsih + random.range(2000, 60_000)) % 0xffff) + 1
    peer.send(peer.loginRequest({ tsih }, peer.names()))
  }),
  refused('session joined by discovery', peer => {
    peer.send(peer.loginRequest({}, { InitiatorName: peer.initiator, SessionType: 'Discovery' }))
  }),
  refused('more connections than agreed', async (peer, _random, team) => {
    if (team.live.length < 2) await team.join(2)
    peer.send(peer.loginRequest({}, peer.names()))
  }),
  {
    name: 'many peers for one CID at once',
    owed: 'echo',
    async run(peer, random) {
      const level = random.range(0, 2)
      const team = await Team.gather(peer, keysFor(random, level), 2)
      const old = team.all[1]!
      for (let i = random.range(0, 6); i > 0; i--) old.send(anyCommand(old, random).pdu)
      const rivals: Peer[] = []
      for (let i = random.range(2, 6); i > 0; i--) rivals.push(await team.newcomer(2))
      const logins = rivals.map(async rival => {
        if (random.chance(0.2)) {
          rival.send(rival.loginRequest({}, rival.names()))
          // Below level 2 the session would end with it, had it come in.
          if (level === 2 && random.chance(0.5)) rival.leave()
          else await rival.answer(({ opcode }) => opcode === Opcode.loginResponse)
          return
        }
        await team.tryJoin(rival)
      })
      await Promise.all(logins)
      await settled(peer)
      const lives = await Promise.all(rivals.map(async rival => !rival.closed && (await rival.ping(2000))))
      if (lives.filter(Boolean).length > 1) throw new Error('Two connections have one CID')
    },
  },
  {
    name: 'commands spread over connections, with holes and duplicates',
    owed: 'echo',
    async run(peer, random) {
      const team = await Team.gather(peer, keysFor(random, random.range(0, 2)), random.range(2, 4))
      const asked = new Map<number, Peer>()
      const pdus: [Peer, Buffer][] = []
      for (let i = random.range(4, 24); i > 0; i--) {
        const one = random.pick(team.live)
        const { itt, pdu } = anyCommand(one, random)
        asked.set(itt, one)
        pdus.push([one, pdu])
        // The same once more, there or elsewhere: whichever comes later is not heard.
        if (random.chance(0.2)) pdus.push([one, pdu])
      }
      for (let i = pdus.length - 1; i > 0; i--) {
        const j = random.range(0, i)
        ;[pdus[i], pdus[j]] = [pdus[j]!, pdus[i]!]
      }
      for (const [one, pdu] of pdus) one.send(pdu)
      const seen = new Map<Peer, number>()
      for (const [itt, one] of asked) {
        const isDone = ({ opcode, header }: Answer): boolean =>
          BHS.field.itt.get(header, 0) === itt &&
          (opcode === Opcode.scsiResponse || (opcode === Opcode.dataIn && (header[1]! & 1) === 1))
        while (!one.answers.some(isDone)) {
          const from = seen.get(one) ?? 0
          const next = await one.answer(one => isDone(one) || one.opcode === Opcode.r2t, 10_000, from)
          if (next === null) throw new Error(`Command ${itt} was not answered (closed: ${one.closed})`)
          seen.set(one, serveR2ts(one, random, from))
        }
      }
    },
  },
  {
    name: 'Data-Out on the wrong connection',
    owed: 'echo',
    async run(peer, random) {
      const team = await Team.gather(
        peer,
        { ...keysFor(random, random.range(0, 2)), InitialR2T: 'Yes', ImmediateData: 'No' },
        2,
      )
      const mate = team.all[1]!
      const lun = strictLun(random)
      const blocks = random.range(1, 8)
      const parts = { lun, write: true, expected: blocks * 512 }
      const { itt, answer } = await patientWrite(peer, () =>
        peer.command(write10(somewhere(random, blocks), blocks), parts),
      )
      const { ttt, bufferOffset, desiredLength } = R2T.read(answer!.header)
      const fields = { lun: lunField(lun), final: 1, bufferOffset }
      mate.send(mate.dataOut(itt, ttt, fields, payload(random, desiredLength)))
      if ((await mate.answer(({ opcode }) => opcode === Opcode.reject)) === null)
        throw new Error('Data-Out on the wrong connection was not rejected')
      let last: typeof answer = answer
      while (last !== null && last.opcode === Opcode.r2t) {
        const from = peer.answers.length
        for (const pdu of dataFor(peer, random, lun, last)) peer.send(pdu)
        last = await answerTo(peer, itt, from)
      }
      if (!isGood(last)) throw new Error('Write failed by data that came on another connection')
    },
  },
  {
    name: 'logouts of every reason from every connection',
    owed: 'either',
    async run(peer, random) {
      const team = await Team.gather(peer, keysFor(random, random.range(0, 2)), random.range(2, 4))
      for (let i = random.range(2, 10); i > 0 && team.live.length > 0; i--) {
        const one = random.pick(team.live)
        for (let j = random.range(0, 4); j > 0; j--) one.send(anyCommand(one, random).pdu)
        // Now and then a number is left out, so that what follows is parked.
        if (random.chance(0.3)) one.cmdSn = (one.cmdSn + 1) >>> 0
        const reason = random.pick([
          LogoutReason.closeConnection,
          LogoutReason.closeConnection,
          LogoutReason.removeConnectionForRecovery,
          LogoutReason.removeConnectionForRecovery,
          LogoutReason.closeSession,
        ])
        const { pdu } = logout(one, reason, random.range(1, 5))
        one.send(pdu)
        if (random.chance(0.3)) one.send(pdu)
        if (random.chance(0.3)) one.leave(random.pick(['end', 'destroy']))
        if (random.chance(0.5)) await one.answer(({ opcode }) => opcode === Opcode.logoutResponse, 500)
        if (random.chance(0.4)) await team.tryJoin(await team.newcomer(random.range(1, 4)))
      }
    },
  },
  {
    name: 'requests that wait on a connection that is logged out',
    owed: 'echo',
    async run(peer, random) {
      const team = await Team.gather(
        peer,
        { ...keysFor(random, random.range(0, 2)), InitialR2T: 'Yes', ImmediateData: 'No' },
        2,
      )
      const mate = team.all[1]!
      const lun = strictLun(random)
      const window = await windowOf(peer, lun)
      const write = (): Buffer =>
        mate.command(write10(somewhere(random, 8), 8), { lun, write: true, expected: 4096 }).pdu
      // Something runs there, so that the logout takes a moment; then a hole, and writes behind it.
      for (let i = random.range(0, 8); i > 0; i--) {
        const cdb = read10(somewhere(random, 2048), 2048)
        mate.send(mate.command(cdb, { lun: Lun.file, read: true, expected: 1 << 20 }).pdu)
      }
      const hole = peer.cmdSn
      peer.cmdSn = (hole + 1) >>> 0
      for (let i = random.range(1, 6); i > 0; i--) mate.send(write())
      mate.send(logout(mate, LogoutReason.closeConnection, 2).pdu)
      if (random.chance(0.5)) await new Promise(setImmediate)
      const filler = peer.command(new Uint8Array(16), { lun, fields: { cmdSn: hole } })
      const next = (peer.cmdSn - 1) >>> 0
      peer.cmdSn = next
      peer.send(filler.pdu)
      if ((await answerTo(peer, filler.itt)) === null) throw new Error('Good command got no answer')
      if ((await mate.answer(({ opcode }) => opcode === Opcode.logoutResponse)) === null && !mate.closed)
        throw new Error('Logout got no answer')
      await mate.untilClosed(10_000)
      // What waited there is gone: nothing of it takes up room in the command window.
      const { itt, pdu } = manage(peer, { function: 5, lun: lunField(77) })
      peer.send(pdu)
      const answer = await peer.answer(({ header }) => BHS.field.itt.get(header, 0) === itt)
      if (answer === null) throw new Error('Good function got no answer')
      // Requests that were not received are for the initiator to number again.
      peer.cmdSn = SCSI_RESPONSE.field.expCmdSn.get(answer.header, 0)
      for (let tries = 0; (await windowOf(peer, lun)) < window; tries++) {
        if (tries === 50) throw new Error('Commands of a connection that was logged out are still there')
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    },
  },
  {
    name: 'connections cut at every point',
    owed: 'either',
    async run(peer, random) {
      const level = random.range(0, 2)
      const team = await Team.gather(peer, keysFor(random, level), random.range(2, 4))
      const seen = new Map<Peer, number>()
      for (let i = random.range(4, 30); i > 0 && team.live.length > 0; i--) {
        const one = random.pick(team.live)
        const { pdu } = anyCommand(one, random)
        if (random.chance(0.85)) one.send(pdu)
        else {
          one.send(pdu.subarray(0, random.range(0, pdu.length - 1)))
          one.leave(random.pick(['end', 'destroy']))
          one.tsih = 0
          if (random.chance(0.7)) await team.tryJoin(await team.newcomer(random.range(1, 4)))
        }
        if (random.chance(0.3)) await one.answer(() => false, random.range(1, 10))
        for (const each of team.live) seen.set(each, serveR2ts(each, random, seen.get(each) ?? 0))
      }
      // At level 2 the session outlives them all.
      if (level < 2) return
      const late = await team.newcomer(9)
      if ((await team.tryJoin(late)) === 0) await settled(late)
    },
  },
]
