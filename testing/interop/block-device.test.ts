// SPDX-License-Identifier: Apache-2.0
// A block device served over iSCSI: libiscsi's suite, and that nothing of what is written stays in the page cache.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { FAMILIES } from '../conformance/libiscsi-families.ts'
import { runFamily } from '../conformance/libiscsi-run.ts'
import { loopDevice, needLoops } from '../kit/loop-device.ts'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const MIB = 2 ** 20

/**
 * All but those about the transport, other units, and the shorter forms and those that only read, for which the device does nothing else; on
 * blocks that are written back whole, a few.
 */
const ASKED: Readonly<Record<number, (name: string) => boolean>> = {
  512: name => !/^(iSCSI|MultipathIO|Prout|Reserve6|WriteAtomic16|OrWrite|Verify|Prefetch)|1[02]$/.test(name),
  4096: name => ['Read16', 'ReadCapacity16', 'Write16', 'WriteVerify16'].includes(name),
}

for (const sector of [512, 4096]) {
  test(`libiscsi's suite finds no fault with a device of ${sector}-byte sectors`, async t => {
    if (!needLoops(t) || !need(t, 'iscsi-test-cu')) return
    const { path } = await loopDevice(t, 32 * MIB, { sector })
    const served = await serve([`block:${path}`])
    const families = FAMILIES.filter(
      ({ name, unit }) => ['disk', 'thin'].includes(unit) && ASKED[sector]!(name),
    )
    try {
      for (const { name, on = {} } of families) {
        const { output, outcomes } = await runFamily(`ALL.${name}`, served.ready.luns[0]!.url)
        assert.ok(outcomes.length > 0, output)
        // Nobody can promise that a device destroys what it discards: then there is no cryptographic erase.
        const fine = (text: string): boolean => text.includes('SANITIZE CRYPTO_ERASE is not implemented')
        const faults = outcomes.filter(one => !one.passed && !fine(one.text) && on[one.name] === undefined)
        assert.deepEqual(faults, [], output)
      }
    } finally {
      await served.stop()
    }
  })
}

/** Pages of block devices in the page cache, of all devices of the machine. */
const deviceCache = (): number =>
  1024 * Number(/^Buffers:\s*(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1])

const fileCache = (path: string): number =>
  Number(execFileSync('fincore', ['-bnro', 'RES', path], { encoding: 'utf8' }))

test('a gibibyte that is written leaves nothing in the page cache', async t => {
  if (!needLoops(t) || !need(t, 'fincore')) return
  const device = await loopDevice(t, 1024 * MIB)
  const served = await serve([`block:${device.path}`])
  try {
    await using disk = await connect(served.ready.luns[0]!.url)
    const before = deviceCache()
    const data = Buffer.alloc(MIB, 0x5a)
    for (let at = 0; at < 1024; at += 4) {
      await Promise.all([0, 1, 2, 3].map(i => disk.write((at + i) * 2048, data)))
    }
    const grown = deviceCache() - before
    // What else the machine does is in the figure, too.
    assert.ok(grown < 64 * MIB, `${grown} bytes more`)
    assert.equal(fileCache(device.backing), 0, 'the file behind it: the kernel goes around its cache as well')
    assert.ok((await disk.read(2 ** 20, 2048)).equals(data))
    // The figure sees what somebody else reads through the cache while the device is open.
    const calm = deviceCache()
    execFileSync('dd', [`if=${device.path}`, 'of=/dev/null', 'bs=1M', 'count=256'], { stdio: 'ignore' })
    assert.ok(deviceCache() - calm > 128 * MIB)
  } finally {
    await served.stop()
  }
})
