// SPDX-License-Identifier: Apache-2.0
// The tray against a model: whatever initiators and an operator do with it, what is readable is what should be in it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { disc, openDrive } from './drive.test-kit.ts'

const EJECT = [0x1b, 0, 0, 0, 2, 0]
const LOAD = [0x1b, 0, 0, 0, 3, 0]
const CAPACITY = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]
const lock = (yes: boolean) => [0x1e, 0, 0, 0, yes ? 1 : 0, 0]

const ACTIONS = ['eject', 'load', 'lock', 'unlock', 'insert', 'take out', 'stack'] as const

// Requirement: MMC-6, START STOP UNIT command: what is loaded, ejected and locked in follows from the commands, in any order.
test('any sequence of ejects, loads, locks and changes leaves what the model says', async () => {
  const step = fc.tuple(fc.constantFrom(...ACTIONS), fc.constantFrom(0 as const, 1 as const))
  await fc.assert(
    fc.asyncProperty(fc.option(fc.constant(1)), fc.array(step, { maxLength: 30 }), async (first, steps) => {
      const { drive, ended, run } = await openDrive(first)
      let tray: number | null = first
      let open = false
      const queue: number[] = []
      const locked = [false, false]
      // Each disc is told by its sectors.
      let sectors = 1
      for (const [action, nexus] of steps) {
        if (action === 'eject') {
          const wanted: string = !open && locked.includes(true) ? '5/53/02' : 'good'
          assert.equal(await ended(EJECT, nexus), wanted)
          if (wanted === 'good') open = true
        } else if (action === 'load') {
          assert.equal(await ended(LOAD, nexus), 'good')
          const next: number | undefined = open ? queue.shift() : undefined
          if (next !== undefined) {
            if (tray !== null) queue.push(tray)
            tray = next
          }
          open = false
        } else if (action === 'lock' || action === 'unlock') {
          await run(lock(action === 'lock'), nexus)
          locked[nexus] = action === 'lock'
        } else if (action === 'stack') {
          drive.stack(disc(++sectors))
          queue.push(sectors)
        } else {
          drive.hold()
          await (await drive.takeOut())?.close()
          tray = null
          open = true
          if (action === 'insert') {
            drive.insert(disc(++sectors))
            tray = sectors
            open = false
          }
          drive.release()
        }
        // What has to be told of changes is another test's matter.
        for (const unit of [0, 1] as const) while ((await ended([0, 0, 0, 0, 0, 0], unit)).startsWith('6/'));
        const there: boolean = !open && tray !== null
        const { data, sense } = await run(CAPACITY, nexus)
        assert.deepEqual(
          there ? data.readUInt32BE(0) + 1 : `${sense?.key}/${sense?.asc}/${sense?.ascq}`,
          there ? tray : `2/58/${open ? 2 : 1}`,
        )
      }
      await drive.close()
    }),
    { numRuns: 60 },
  )
})
