// SPDX-License-Identifier: Apache-2.0
// Captures as Wireshark reads them: every PDU found, with its opcode, LUN and CDB, nothing malformed, over IPv4 and IPv6.
import assert from 'node:assert/strict'
import { linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@lunkit/initiator-driver-iscsi'
import {
  BHS,
  DATA_OUT,
  IscsiTaskFunction,
  LOGOUT_REQUEST,
  NOP_OUT,
  Opcode,
  PDU_BY_OPCODE,
  R2T,
  RESERVED_TAG,
  TASK_MANAGEMENT_REQUEST,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { Capture } from '@lunkit/target-driver-iscsi'
import { Authority } from '../kit/certificates.ts'
import { BLOCK, IscsiBench, read10, TARGET, testUnitReady, write10 } from '../kit/iscsi-bench.ts'
import { fieldsOf, RawPeer, text } from '../kit/raw-peer.ts'
import { scratch } from '../kit/scratch.ts'
import { run, serve } from '../kit/serve-process.ts'
import { dissect } from '../kit/tshark.ts'
import { need } from '../peers.ts'

const BLOCKS = 512
const BYTES = BLOCKS * BLOCK

/** One session with all kinds of PDUs: reads, writes by R2T and with immediate data, texts, functions, a reject, a logout. */
async function wholeSession(peer: RawPeer): Promise<void> {
  await peer.receive(Opcode.scsiResponse)
  peer.command(read10(3, BLOCKS), { read: 1, expectedDataTransferLength: BYTES })
  for (let bytes = 0; bytes < BYTES; ) bytes += (await peer.receive(Opcode.dataIn)).data.length
  const itt = peer.command(write10(16, BLOCKS), { write: 1, expectedDataTransferLength: BYTES })
  const { ttt } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
  const data = Buffer.alloc(BYTES, 'lunkit')
  const half = BYTES / 2
  for (const [dataSn, bufferOffset] of [0, half].entries()) {
    const final = bufferOffset === 0 ? 0 : 1
    const fields = { opcode: Opcode.dataOut, final, itt, ttt, dataSn, bufferOffset }
    peer.sendPdu(DATA_OUT, fields as never, data.subarray(bufferOffset, bufferOffset + half))
  }
  await peer.receive(Opcode.scsiResponse)
  const small = { write: 1, expectedDataTransferLength: BLOCK }
  peer.command(write10(0, 1), small, data.subarray(0, BLOCK))
  await peer.receive(Opcode.scsiResponse)
  const immediate = { immediate: 1, final: 1 }
  const management = { ...immediate, opcode: Opcode.taskManagementRequest, cmdSn: peer.cmdSn }
  const abort = { function: IscsiTaskFunction.abortTask, itt: 0x77, referencedTaskTag: 0x55 }
  peer.sendPdu(TASK_MANAGEMENT_REQUEST, { ...management, ...abort } as never)
  await peer.receive(Opcode.taskManagementResponse)
  const ping = { ...immediate, opcode: Opcode.nopOut, itt: 0x78, ttt: RESERVED_TAG, cmdSn: peer.cmdSn }
  peer.sendPdu(NOP_OUT, ping as never, Buffer.from('ping!'))
  await peer.receive(Opcode.nopIn)
  const asked = { opcode: Opcode.textRequest, final: 1, itt: 0x79, ttt: RESERVED_TAG, cmdSn: peer.cmdSn++ }
  peer.sendPdu(TEXT_REQUEST, asked as never, text({ SendTargets: '' }))
  await peer.receive(Opcode.textResponse)
  peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt: 0x1234, ttt: RESERVED_TAG } as never)
  await peer.receive(Opcode.reject)
  const logout = { ...immediate, opcode: Opcode.logoutRequest, itt: 0x7a, cmdSn: peer.cmdSn }
  peer.sendPdu(LOGOUT_REQUEST, logout as never)
  await peer.receive(Opcode.logoutResponse)
  await peer.end()
}

const CODES = new Map(
  PDU_BY_OPCODE.flatMap((layout, code) => (layout === undefined ? [] : [[layout.name, code]])),
)

/** Captures a session; gives the file, the target's port, and the opcodes that the driver saw, in their order. */
async function capture(file: string, host: string, keys: Record<string, string>, snapBytes?: number) {
  const opcodes: number[] = []
  const trace = (line: string): void => {
    const words = line.replace(/^.*? cid=\d+ /, '')
    const name = [...CODES.keys()].find(one => words.startsWith(one))!
    opcodes.push(CODES.get(name)!)
  }
  const warn = (reason: string): void => assert.fail(reason)
  const writer = await Capture.open({ file, ...(snapBytes !== undefined && { snapBytes }) }, warn)
  const bench = await IscsiBench.open({ capture: writer, trace, portals: [{ host, port: 0 }] })
  const { port } = bench.port.portals[0]!
  const peer = await RawPeer.connect(port, host)
  await peer.login({ target: TARGET, keys })
  peer.command(testUnitReady(), { lun: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0) } as never)
  await wholeSession(peer)
  await bench.close()
  await writer.close()
  return { port, opcodes }
}

const KEYS = { MaxRecvDataSegmentLength: '262144', MaxBurstLength: '262144', InitialR2T: 'Yes' }
const DIGESTS = { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' }
const WRONG =
  '_ws.malformed || _ws.unreassembled || tcp.analysis.lost_segment || tcp.analysis.retransmission || ' +
  'tcp.analysis.out_of_order || tcp.analysis.ack_lost_segment || tcp.analysis.window_full || ' +
  'ip.checksum.status == 0 || tcp.checksum.status == 0 || iscsi.opcode.invalid'

const numbers = (rows: readonly Record<string, string>[], field: string): number[] =>
  rows.flatMap(row => (row[field] === '' ? [] : row[field]!.split(',').map(Number)))

/**
 * The first of each row: a packet is one PDU, but a Reject sends another header back, and a command with data is shown with
 * its CDB twice.
 */
const firsts = (rows: readonly Record<string, string>[], ...fields: readonly string[]): number[] =>
  rows.flatMap(row => numbers([row], fields.find(field => row[field] !== '') ?? fields[0]!).slice(0, 1))

for (const [host, family] of [
  ['127.0.0.1', 'ip'],
  ['::1', 'ipv6'],
] as const) {
  for (const [digests, keys] of [
    ['with digests', { ...KEYS, ...DIGESTS }],
    ['without digests', KEYS],
  ] as const) {
    test(`tshark finds every PDU over ${host} ${digests}`, async t => {
      if (!need(t, 'tshark')) return
      const file = join(await scratch(t), 'session.pcapng')
      const { port, opcodes } = await capture(file, host, keys)
      const pdus = dissect(file, port, 'iscsi', ['iscsi.opcode', `${family}.src`, `${family}.dst`])
      assert.deepEqual(firsts(pdus, 'iscsi.opcode'), opcodes)
      assert.ok(opcodes.length > 20)
      for (const code of [Opcode.r2t, Opcode.reject, Opcode.logoutResponse, Opcode.textResponse]) {
        assert.ok(opcodes.includes(code))
      }
      assert.ok(pdus.every(row => row[`${family}.src`] === host && row[`${family}.dst`] === host))
      assert.deepEqual(dissect(file, port, WRONG, ['frame.number', '_ws.col.Info']), [])
      const frames = dissect(file, port, 'tcp', ['tcp.stream', 'tcp.flags.syn', 'tcp.flags.fin'])
      assert.ok(frames.every(row => row['tcp.stream'] === '0'))
      assert.deepEqual(frames.map(row => numbers([row], 'tcp.flags.syn')[0]).slice(0, 4), [1, 1, 0, 0])
      const commands = dissect(file, port, 'iscsi.opcode == 0x01', [
        'scsi_sbc.opcode',
        'scsi.spc.opcode',
        'scsi.lun',
        'scsi_sbc.rdwr10.lba',
        'scsi_sbc.rdwr10.xferlen',
      ])
      assert.deepEqual(firsts(commands, 'scsi_sbc.opcode', 'scsi.spc.opcode'), [0x00, 0x28, 0x2a, 0x2a])
      assert.deepEqual(firsts(commands, 'scsi.lun'), [0, 0, 0, 0])
      assert.deepEqual(firsts(commands, 'scsi_sbc.rdwr10.lba'), [3, 16, 0])
      assert.deepEqual(firsts(commands, 'scsi_sbc.rdwr10.xferlen'), [BLOCKS, BLOCKS, 1])
      const [function_] = dissect(file, port, 'iscsi.opcode == 0x02', ['iscsi.taskmanfun.function'])
      assert.equal(Number(function_!['iscsi.taskmanfun.function']) & 0x7f, 1)
      const login = dissect(file, port, 'iscsi.opcode == 0x03', ['iscsi.keyvalue'])
      assert.match(login[0]!['iscsi.keyvalue'], /InitiatorName=iqn\.2026-11\.test\.lunkit:raw-peer/)
    })
  }
}

test('with a snap length headers stay, and nothing that is found is wrong', async t => {
  if (!need(t, 'tshark')) return
  const file = join(await scratch(t), 'short.pcapng')
  const { port, opcodes } = await capture(file, '127.0.0.1', { ...KEYS, ...DIGESTS }, 64)
  const pdus = dissect(file, port, 'iscsi', ['iscsi.opcode', 'frame.cap_len', 'frame.len'])
  assert.deepEqual(firsts(pdus, 'iscsi.opcode'), opcodes)
  const lengths = numbers(pdus, 'frame.cap_len')
  assert.ok(Math.max(...lengths) <= 40 + BHS.length + 4 + 64 + 8, String(Math.max(...lengths)))
  assert.ok(numbers(pdus, 'frame.len').reduce((sum, length) => sum + length) > BYTES * 0.1)
  assert.deepEqual(dissect(file, port, WRONG, ['frame.number', '_ws.col.Info']), [])
})

test('lunkit serve captures, one file for each session over all its portal groups', async t => {
  if (!need(t, 'tshark')) return
  const folder = await scratch(t)
  const portals = ['--portal', '127.0.0.1:0,1', '--portal', '127.0.0.1:0,2']
  const capture = ['--capture', join(folder, 'of-%s.pcapng'), '--capture-snap', '0', '--capture-files', '3']
  const target = await serve(['memory:1M', ...portals, ...capture])
  t.after(() => target.stop())
  const { url } = target.ready.luns[0]!
  for (const portal of target.ready.portals) {
    await using disk = await connect(url.replace(/127\.0\.0\.1:\d+/, portal))
    await disk.read(5, 1)
  }
  assert.equal(await target.stop(), 0)
  assert.deepEqual(readdirSync(folder).sort(), ['of-1-1.pcapng', 'of-2-1.pcapng'])
  for (const [i, portal] of target.ready.portals.entries()) {
    const file = join(folder, `of-${i + 1}-1.pcapng`)
    const port = Number(portal.split(':')[1])
    const logout = dissect(file, port, 'iscsi.opcode == 0x26', ['iscsi.logout.response'])
    assert.equal(Number(logout[0]!['iscsi.logout.response']), 0)
    assert.deepEqual(dissect(file, port, WRONG, ['frame.number']), [])
  }
})

test('a target that cannot start leaves the capture of the one that runs as it is', async t => {
  const file = join(await scratch(t), 'all.pcapng')
  const target = await serve(['memory:1M', '--capture', file])
  t.after(() => target.stop())
  await using disk = await connect(target.ready.luns[0]!.url)
  await disk.read(5, 1)
  const before = readFileSync(file)
  assert.ok(before.length > 1000, `${before.length} bytes`)
  const [portal] = target.ready.portals
  await assert.rejects(serve(['memory:1M', '--portal', portal!, '--capture', file]), /in use/)
  assert.deepEqual(readFileSync(file).subarray(0, before.length), before)
})

test('what cannot be captured is refused at the start', async () => {
  await assert.rejects(serve(['memory:1M', '--capture', '/nowhere/x.pcapng']), /Capture .* cannot be written/)
  await assert.rejects(serve(['memory:1M', '--capture-files', '3']), /--capture-files needs --capture/)
})

test('a disk is not overwritten by a capture of its name', async t => {
  const folder = await scratch(t)
  const disk = join(folder, 'x.img')
  const looksLikeOne = join(folder, 'y.img')
  const bytes = Buffer.alloc(8192, 7)
  writeFileSync(disk, bytes)
  bytes.writeUInt32LE(0x0a0d0d0a)
  writeFileSync(looksLikeOne, bytes)
  await assert.rejects(serve([disk, '--capture', disk]), /is the storage of a LUN/)
  await assert.rejects(serve([looksLikeOne, '--capture', looksLikeOne]), /is the storage of a LUN/)
  await assert.rejects(serve(['memory:1M', '--capture', disk]), /other than a capture/)
  assert.deepEqual(readFileSync(looksLikeOne), bytes)
  assert.deepEqual(readFileSync(disk), Buffer.alloc(8192, 7))
})

test('nor by one of another name: a hard link, a pattern, a LUN of another target of the file, or one that comes later', async t => {
  const folder = await scratch(t)
  const at = (name: string): string => join(folder, name)
  const bytes = Buffer.alloc(1 << 20, 7)
  bytes.writeUInt32LE(0x0a0d0d0a)
  writeFileSync(at('disk.img'), bytes)
  linkSync(at('disk.img'), at('hard-link'))
  await assert.rejects(serve([at('disk.img'), '--capture', at('hard-link')]), /is the storage of a LUN/)
  const readonly = `${at('disk.img')},readonly=yes`
  await assert.rejects(serve([readonly, '--capture', at('hard-link')]), /is the storage of a LUN/)

  const initiatorName = 'iqn.2026-11.test:reader'
  linkSync(at('disk.img'), at(`${initiatorName}.pcapng`))
  const target = await serve([at('disk.img'), '--capture', at('%i.pcapng')])
  t.after(() => target.stop())
  for (const name of [initiatorName, 'iqn.2026-11.test:other']) {
    await using unit = await connect(target.ready.luns[0]!.url, { initiatorName: name })
    assert.ok((await unit.read(0, 2048)).equals(bytes))
  }
  assert.equal(await target.stop(), 0)
  assert.ok(readFileSync(at('disk.img')).equals(bytes))
  assert.match(target.stderr() + JSON.stringify(target.events), /is the storage of a LUN/)
  assert.ok(readFileSync(at('iqn.2026-11.test:other.pcapng')).length > 1000)

  const plan = `portal: 127.0.0.1:0
state: ${at('state')}
targets:
  - { name: 'iqn.2026-11.test:a', luns: ['memory:1M'], capture: '${at('hard-link')}' }
  - { name: 'iqn.2026-11.test:b', luns: ['${at('disk.img')}'] }
`
  writeFileSync(at('targets.yaml'), plan)
  for (const processes of ['1', '2']) {
    await assert.rejects(run([at('targets.yaml'), '--processes', processes]), /is the storage of a LUN/)
    assert.ok(readFileSync(at('disk.img')).equals(bytes))
  }
})

test('a portal with TLS is captured as iSCSI, with its addresses', async t => {
  if (!need(t, 'tshark', 'openssl')) return
  const folder = await scratch(t)
  const authority = new Authority()
  t.after(() => authority.dispose())
  const pair = authority.issue({ name: 'portal', alternative: 'IP:127.0.0.1' })
  for (const [name, pem] of Object.entries(pair)) writeFileSync(join(folder, name), pem, { mode: 0o600 })
  const tls = [
    '--portal',
    '127.0.0.1:0,tls',
    '--tls-cert',
    join(folder, 'cert'),
    '--tls-key',
    join(folder, 'key'),
  ]
  const file = join(folder, 'tls.pcapng')
  const target = await serve(['memory:1M', ...tls, '--capture', file])
  t.after(() => target.stop())
  {
    await using disk = await connect(target.ready.luns[0]!.url, { tls: { ca: authority.cert } })
    await disk.read(5, 1)
  }
  assert.equal(await target.stop(), 0)
  const port = Number(target.ready.portals[0]!.split(':')[1])
  const pdus = dissect(file, port, 'iscsi', ['iscsi.opcode', 'ip.src', 'tcp.srcport', 'tcp.dstport'])
  const opcodes = firsts(pdus, 'iscsi.opcode')
  assert.equal(opcodes[0], Opcode.loginRequest)
  assert.ok(opcodes.includes(Opcode.dataIn))
  assert.equal(opcodes.at(-1), Opcode.logoutResponse)
  assert.ok(pdus.every(row => [row['tcp.srcport'], row['tcp.dstport']].includes(String(port))))
  assert.ok(pdus.every(row => row['ip.src'] === '127.0.0.1'))
})
