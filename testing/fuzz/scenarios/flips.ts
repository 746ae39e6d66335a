// SPDX-License-Identifier: Apache-2.0
// Good traffic with some of its bits turned over.
import { NOP_OUT, Opcode, RESERVED_TAG, TEXT_REQUEST } from '@lunkit/spec'
import { inquiry, read10, somewhere, write10 } from '../cdb.ts'
import { payload } from '../content.ts'
import { Lun } from '../lun.ts'
import { text } from '../pdu.ts'
import type { Peer } from '../peer.ts'
import type { Random } from '../random.ts'
import type { Scenario } from '../scenario.ts'

/** Bytes of a header that are left alone: the LUN, and in writes the lengths, so that no header becomes another's data. */
const LUN_BYTES = [8, 16] as const
const LENGTH_BYTES = [4, 8] as const

function flip(random: Random, pdu: Buffer, keep: readonly (readonly [number, number])[]): Buffer {
  const out = Buffer.from(pdu)
  for (let i = random.pick([1, 1, 2, 3, 8]); i > 0; i--) {
    // Headers are where the interesting bits are.
    const at = random.range(0, random.chance(0.8) ? 47 : out.length - 1)
    if (keep.some(([from, to]) => at >= from && at < to)) continue
    out[at]! ^= 1 << random.range(0, 7)
  }
  // A reset of the target is everybody's business.
  if ((out[0]! & 0x3f) === Opcode.taskManagementRequest) out[0]! ^= 0x10
  return out
}

/** Requests that bring no data to a LUN. */
function harmless(peer: Peer, random: Random): Buffer {
  switch (random.range(0, 3)) {
    case 0:
      return peer.command(inquiry(255), { lun: Lun.scribble, read: true, expected: 255 }).pdu
    case 1:
      return peer.command(read10(somewhere(random, 8), 8), { lun: Lun.scribble, read: true, expected: 4096 })
        .pdu
    case 2: {
      const fields = { immediate: 1, final: 1, itt: peer.itt++, ttt: RESERVED_TAG, cmdSn: peer.cmdSn }
      return peer.pdu(NOP_OUT, Opcode.nopOut, fields, { data: payload(random, random.range(0, 200)) })
    }
    default: {
      const fields = { final: 1, itt: peer.itt++, ttt: RESERVED_TAG, ...peer.number() }
      return peer.pdu(TEXT_REQUEST, Opcode.textRequest, fields, { data: text({ SendTargets: 'All' }) })
    }
  }
}

function write(peer: Peer, random: Random): Buffer {
  const blocks = random.range(1, 16)
  const data = payload(random, blocks * 512)
  const cdb = write10(somewhere(random, blocks), blocks)
  return peer.command(cdb, { lun: Lun.scribble, write: true, expected: data.length, data }).pdu
}

async function mutate(
  peer: Peer,
  random: Random,
  make: typeof write,
  keep: readonly (readonly [number, number])[],
): Promise<void> {
  await peer.login(random.chance(0.2) ? { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' } : {})
  peer.loose = true
  for (let i = random.range(1, 20); i > 0; i--) {
    const pdu = make(peer, random)
    peer.send(random.chance(0.5) ? flip(random, pdu, keep) : pdu)
  }
  await peer.answer(() => false, random.range(1, 50))
}

export const FLIPS: readonly Scenario[] = [
  {
    name: 'flipped bits of requests',
    owed: 'nothing',
    run: (peer, random) => mutate(peer, random, harmless, [LUN_BYTES]),
  },
  {
    name: 'flipped bits of writes',
    owed: 'nothing',
    run: (peer, random) => mutate(peer, random, write, [LENGTH_BYTES, LUN_BYTES]),
  },
  {
    name: 'flipped bits of a login',
    owed: 'nothing',
    async run(peer, random) {
      peer.loose = true
      peer.send(
        flip(
          random,
          peer.loginRequest({}, { ...peer.names(), HeaderDigest: 'CRC32C,None', InitialR2T: 'No' }),
          [],
        ),
      )
      await peer.answer(() => true, 50)
    },
  },
]
