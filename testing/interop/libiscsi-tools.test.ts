// SPDX-License-Identifier: Apache-2.0
// libiscsi's tools against `lunkit serve`: discovery, every INQUIRY page, capacity, over IPv4 and IPv6.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const run = async (program: string, ...words: string[]): Promise<string> =>
  (await execute(program, words, { timeout: 20_000 })).stdout

/** The tool fetches any page, but decodes these alone and fails on the rest. */
const TOOL_KNOWS = new Set([0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2])

const folder = workFolder()
let target: ServedTarget | null = null
before(async () => {
  target = await serve([
    join(folder.path, 'disk.img,size=1G'),
    'memory:64M,block=4096,serial=SERIAL42',
    '--portal',
    '127.0.0.1:0',
    '--portal',
    '[::1]:0',
  ])
})
after(async () => {
  await target?.stop()
  folder.dispose()
})

// It takes the last block's address for the number of blocks, so it shows one unit less.
test('iscsi-ls -s lists the target on each portal and its LUNs', async t => {
  if (!need(t, 'iscsi-ls')) return
  for (const portal of target!.ready.portals) {
    const output = await run('iscsi-ls', '-s', `iscsi://${portal}`)
    assert.match(output, /Target:iqn\.2026-11\.org\.lunkit:\S+ Portal:/)
    assert.match(output, /Lun:0 +Type:DIRECT_ACCESS \(Size:1023M\)/)
    assert.match(output, /Lun:1 +Type:DIRECT_ACCESS \(Size:63M\)/)
  }
})

test('iscsi-inq shows the standard data and every page that is listed', async t => {
  if (!need(t, 'iscsi-inq')) return
  const url = target!.ready.luns[1]!.url
  assert.match(await run('iscsi-inq', url), /Vendor:LUNKIT/)
  const list = await run('iscsi-inq', '-e', '1', '-c', '0', url)
  const pages = [...list.matchAll(/Page:0x([0-9a-f]+)/gi)].map(match => Number.parseInt(match[1]!, 16))
  for (const page of [0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2])
    assert.ok(pages.includes(page), `page ${page.toString(16)}`)
  for (const page of pages.filter(one => TOOL_KNOWS.has(one)))
    await run('iscsi-inq', '-e', '1', '-c', String(page), url)
  assert.match(await run('iscsi-inq', '-e', '1', '-c', '128', url), /SERIAL42/)
})

test('iscsi-readcapacity16 sees size and block length', async t => {
  if (!need(t, 'iscsi-readcapacity16')) return
  const output = await run('iscsi-readcapacity16', target!.ready.luns[1]!.url)
  assert.match(output, /LOGICAL BLOCK LENGTH IN BYTES:4096/)
  assert.match(output, /67108864/)
})
