// SPDX-License-Identifier: Apache-2.0
// Bytes that are no PDUs, too much of them, or too few.
import { BHS, NOP_OUT, Opcode, RESERVED_TAG } from '@lunkit/spec'
import { read10, somewhere, write10 } from '../cdb.ts'
import { payload } from '../content.ts'
import { strictLun } from '../lun.ts'
import { encode, lunField } from '../pdu.ts'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'

const DIGESTS = { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' }
/** Longer than any target of ours takes after login. */
const TOO_LONG = 0xff_ffff

const ping = (peer: Peer, parts: Parameters<typeof encode>[1] = {}): Buffer =>
  peer.pdu(
    NOP_OUT,
    Opcode.nopOut,
    { immediate: 1, final: 1, itt: peer.itt++, ttt: RESERVED_TAG, cmdSn: peer.cmdSn },
    parts,
  )

/** A whole header of any bytes, and as much data as it says. */
function noise(random: Random): Buffer {
  const header = random.bytes(48)
  const data = random.bytes(random.range(0, 64) * 4)
  const ahs = random.bytes(random.range(0, 3) * 4)
  return encode(header, { data, ahs })
}

export const FRAMING: readonly Scenario[] = [
  {
    name: 'noise instead of a login',
    owed: 'login',
    run(peer, random) {
      const bytes = noise(random)
      // A login request by accident is no fault yet.
      if ((bytes[0]! & 0x3f) === Opcode.loginRequest) bytes[0]! ^= 4
      peer.send(bytes)
    },
  },
  {
    name: 'noise with the opcode of a login',
    owed: 'nothing',
    async run(peer, random) {
      for (let i = random.range(1, 4); i > 0; i--) {
        const bytes = noise(random)
        bytes[0] = 0x43
        peer.send(bytes)
      }
      await peer.answer(() => true, 20)
    },
  },
  {
    name: 'noise after login',
    owed: 'nothing',
    async run(peer, random) {
      await peer.login()
      peer.loose = true
      for (let i = random.range(1, 8); i > 0; i--) {
        const bytes = noise(random)
        // No task management: its resets are everybody's business. No writing of noise to a LUN.
        if ((bytes[0]! & 0x3f) === Opcode.taskManagementRequest) bytes[0]! ^= 4
        if ((bytes[0]! & 0x3f) === Opcode.scsiCommand) bytes[1]! &= ~0x20
        peer.send(bytes)
      }
      await peer.answer(() => true, 20)
    },
  },
  {
    name: 'part of a header, then gone',
    owed: 'nothing',
    async run(peer, random) {
      if (random.chance(0.5)) await peer.login()
      peer.send(random.bytes(random.range(1, 47)))
      peer.leave(random.pick(['end', 'destroy']))
    },
  },
  {
    name: 'part of a write, then gone',
    owed: 'nothing',
    async run(peer, random) {
      await peer.login()
      const blocks = random.range(1, 64)
      const data = payload(random, blocks * 512)
      const { pdu } = peer.command(write10(somewhere(random, blocks), blocks), {
        lun: strictLun(random),
        write: true,
        expected: data.length,
        data,
      })
      peer.send(pdu.subarray(0, random.range(1, pdu.length - 1)))
      peer.leave(random.pick(['end', 'destroy']))
    },
  },
  {
    name: 'segment longer than a login takes',
    owed: 'login',
    run(peer, random) {
      const pdu = peer.loginRequest({}, peer.names())
      BHS.field.dataSegmentLength.set(
        pdu,
        0,
        random.pick([TOO_LONG, 8193, 65_536, random.range(8193, TOO_LONG)]),
      )
      peer.send(pdu)
    },
  },
  {
    name: 'segment longer than was declared',
    owed: 'reject',
    async run(peer, random) {
      await peer.login(random.chance(0.3) ? DIGESTS : {})
      const most = Number(peer.settled['MaxRecvDataSegmentLength'] ?? 8192)
      const claimData = random.pick([TOO_LONG, most + 1, random.range(most + 1, TOO_LONG)])
      peer.send(
        random.pick([
          ping(peer, { claimData }),
          peer.dataOut(1, 1, { lun: lunField(0) }, payload(random, 64), { claimData }),
        ]),
      )
    },
  },
  {
    name: 'wrong header digest',
    owed: 'reject',
    async run(peer, random) {
      await peer.login({ HeaderDigest: 'CRC32C', ...(random.chance(0.5) && { DataDigest: 'CRC32C' }) })
      if (random.chance(0.5)) await peer.ping()
      peer.send(ping(peer, { damage: 'header', data: payload(random, random.range(0, 100)) }))
    },
  },
  {
    name: 'wrong data digest of a ping',
    owed: 'reject',
    async run(peer, random) {
      await peer.login(random.chance(0.5) ? DIGESTS : { DataDigest: 'CRC32C' })
      peer.send(ping(peer, { damage: 'data', data: payload(random, random.range(1, 4096)) }))
    },
  },
  {
    name: 'wrong data digest of a write',
    owed: 'reject',
    async run(peer, random) {
      await peer.login(random.chance(0.5) ? DIGESTS : { DataDigest: 'CRC32C' })
      const data = payload(random, 512 * random.range(1, 16))
      const cdb = write10(somewhere(random, 16), data.length / 512)
      const lun = strictLun(random)
      peer.send(peer.command(cdb, { lun, write: true, expected: data.length, data, damage: 'data' }).pdu)
    },
  },
  {
    name: 'good traffic in crumbs',
    owed: 'echo',
    async run(peer, random) {
      await peer.login(random.chance(0.5) ? DIGESTS : {})
      const data = payload(random, 512 * random.range(1, 4))
      const lun = strictLun(random)
      const at = somewhere(random, 4)
      const bytes = Buffer.concat([
        ping(peer, { data: payload(random, random.range(0, 99)) }),
        peer.command(write10(at, data.length / 512), { lun, write: true, expected: data.length, data }).pdu,
        peer.command(read10(at, data.length / 512), { lun, read: true, expected: data.length }).pdu,
      ])
      for (let from = 0; from < bytes.length; ) {
        const to = from + random.pick([1, 3, 47, 48, 49, 512])
        peer.send(bytes.subarray(from, to))
        if (random.chance(0.3)) await new Promise(setImmediate)
        from = to
      }
    },
  },
]
