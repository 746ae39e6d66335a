// SPDX-License-Identifier: Apache-2.0
// Runs in the guest: reads block 0, 1, 2 … of the LUN at the URL without waiting for answers, so many as the second argument says.
import { connect } from 'lunkit/initiator'

const [, , url, count] = process.argv
const disk = await connect(url!)
await disk.testReady()
const reads = Array.from({ length: Number(count) }, (_, lba) => disk.read(lba, 1))
await Promise.all(reads)
await disk.close()
