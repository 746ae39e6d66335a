// SPDX-License-Identifier: Apache-2.0
// What a program can see of its target; a part of docs/cookbook/see-what-goes-on.md.
import { createTarget, memory } from 'lunkit/target'

await using target = await createTarget({
  luns: [memory('64M')],
  watch: {
    slowMs: 500,
    responseTimeoutMs: 30_000,
    // trace: line => console.error(line),
    // capture: { file: 'all.pcapng' },
  },
})

target.on('slow-command', ({ initiator, lun, command, lba, ms }) => {
  console.warn(`${initiator} waited ${ms} ms for ${command} at block ${lba} of LUN ${lun}`)
})
target.on('stuck-command', ({ command, ms, waitsFor }) => {
  console.warn(`${command} has no answer after ${ms} ms: it waits for ${waitsFor}`)
})

for (const { initiator, tsih, counters, connections } of target.sessions()) {
  console.log(initiator, tsih, counters.commands, counters.bytesRead, connections.length)
}
for (const { sessions, failed, reasons } of target.logins()) console.log(sessions, failed, reasons)
