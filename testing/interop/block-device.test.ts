// SPDX-License-Identifier: Apache-2.0
// A block device served over iSCSI: nothing of what is written stays in the page cache.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { loopDevice, needLoops } from '../kit/loop-device.ts'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const MIB = 2 ** 20

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
