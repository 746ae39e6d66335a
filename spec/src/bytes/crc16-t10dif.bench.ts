// SPDX-License-Identifier: Apache-2.0
// Megabytes a second of guards over blocks of 512 and 4096 bytes: `node spec/src/bytes/crc16-t10dif.bench.ts`.
import { crc16t10dif } from './crc16-t10dif.ts'

const data = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 2654435761) >>> 24)
let sink = 0

for (const block of [512, 4096]) {
  const run = (): number => {
    const start = performance.now()
    for (let round = 0; round < 32; round++) {
      for (let at = 0; at < data.length; at += block) sink ^= crc16t10dif(data, at, at + block)
    }
    return (32 * data.length) / 1000 / (performance.now() - start)
  }
  for (let i = 0; i < 3; i++) run()
  const rates = Array.from({ length: 9 }, run).sort((a, b) => a - b)
  const middle = rates[4]!
  console.log(
    `blocks of ${block}: ${middle.toFixed(0)} MB/s, ${((block * 1000) / middle).toFixed(0)} ns a block (${sink & 1})`,
  )
}
