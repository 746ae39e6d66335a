// SPDX-License-Identifier: Apache-2.0
// The header as it is written, against a golden one; and its layout against this machine's own <scsi/sg.h>.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { need } from '@lunkit/testing/peers.ts'
import { AT, HEADER_LENGTH, layoutFits, MOST_COMMANDS, VECTOR_LENGTH, writeHeader } from './header.ts'

test('a golden header', () => {
  const header = Buffer.alloc(HEADER_LENGTH, 0xff)
  writeHeader(header, {
    id: 5,
    cdb: 0x7f12_3456_7890,
    cdbLength: 10,
    sense: 0x7f12_3456_7a00,
    transfer: 'out',
    vectors: 0x7fff_ffff_f000,
    vectorCount: 2,
    length: 0x2000,
    timeout: 60000,
  })
  const words = [
    '53000000' + 'feffffff', // 'S', to the device
    '0a60' + '0200' + '00200000', // CDB and sense length, two vectors, 8 KiB
    '00f0ffffff7f0000',
    '907856341' + '27f0000',
    '007a56341' + '27f0000',
    '60ea0000' + '10000000', // a minute, at the tail
    '05000000' + '00000000',
    '00'.repeat(32),
  ]
  assert.equal(header.toString('hex'), words.join(''))
})

/** Member of the structure by its name here. */
const MEMBERS: Readonly<Record<keyof typeof AT, string>> = {
  interfaceId: 'interface_id',
  direction: 'dxfer_direction',
  cdbLength: 'cmd_len',
  senseRoom: 'mx_sb_len',
  vectorCount: 'iovec_count',
  dataLength: 'dxfer_len',
  data: 'dxferp',
  cdb: 'cmdp',
  sense: 'sbp',
  timeout: 'timeout',
  flags: 'flags',
  packId: 'pack_id',
  status: 'status',
  senseLength: 'sb_len_wr',
  hostStatus: 'host_status',
  driverStatus: 'driver_status',
  residual: 'resid',
}

test('the layout is the one of <scsi/sg.h>', async t => {
  if (process.platform !== 'linux' || !layoutFits() || !need(t, 'cc')) return
  const folder = await scratch(t)
  const members = Object.values(MEMBERS).map(name => `(int) offsetof(sg_io_hdr_t, ${name})`)
  const more = [
    'sizeof(sg_io_hdr_t)',
    'sizeof(sg_iovec_t)',
    'SG_MAX_QUEUE',
    'SG_SCSI_RESET',
    'SG_DXFER_TO_DEV',
    "'S'",
  ]
  const numbers = [...members, ...more.map(one => `(int) ${one}`)]
  const format = numbers.map(() => '%d').join(' ')
  writeFileSync(
    join(folder, 'sizes.c'),
    `#include <stddef.h>\n#include <stdio.h>\n#include <scsi/sg.h>\nint main(void) { printf("${format}", ${numbers.join(', ')}); return 0; }\n`,
  )
  const made = spawnSync('cc', ['-o', join(folder, 'sizes'), join(folder, 'sizes.c')], { encoding: 'utf8' })
  assert.equal(made.status, 0, made.stderr)
  const told = spawnSync(join(folder, 'sizes'), { encoding: 'utf8' }).stdout.split(' ').map(Number)
  const wanted = [...(Object.keys(MEMBERS) as (keyof typeof AT)[]).map(name => AT[name])]
  assert.deepEqual(told, [...wanted, HEADER_LENGTH, VECTOR_LENGTH, MOST_COMMANDS, 0x2284, -2, 0x53])
})
