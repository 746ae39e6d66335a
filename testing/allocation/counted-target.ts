// SPDX-License-Identifier: Apache-2.0
// A target in a process of its own that says how many bytes it has allocated: started by counted-process.ts.
import { GCProfiler } from 'node:v8'
import { createTarget, file, nothing } from 'lunkit/target'
import type { Growth, Held } from './counted-process.ts'

if (globalThis.gc === undefined || process.send === undefined)
  throw new Error('Started by counted-process.ts only')
const collect = globalThis.gc

let profiler = new GCProfiler()
let before = process.memoryUsage()

/** Everything that is garbage goes now, so that nothing needs to until the next mark. */
function begin(): void {
  collect()
  collect()
  profiler = new GCProfiler()
  profiler.start()
  before = process.memoryUsage()
}

function end(): Growth {
  const after = process.memoryUsage()
  return {
    heap: after.heapUsed - before.heapUsed,
    buffers: after.arrayBuffers - before.arrayBuffers,
    collections: profiler.stop()?.statistics.length ?? 0,
  }
}

function held(): Held {
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { heap: heapUsed, buffers: arrayBuffers }
}

const target = await createTarget({
  // A look for the next request leaves an object behind: it is the waiting that costs that, no command.
  pollUs: 0,
  luns: [nothing('1G'), file(process.argv[2]!)],
  name: process.argv[3]!,
})
process.on('message', question => {
  if (question === 'held') {
    process.send!(held())
    return
  }
  const growth = end()
  begin()
  process.send!(growth)
})
process.on('disconnect', () => void target.close())
process.send(target.url)
