// SPDX-License-Identifier: Apache-2.0
// How long `lunkit serve` takes from exec to the answer to a login.
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '../kit/serve-process.ts'
import { writeImage } from './images.ts'
import { median } from './measure.ts'
import { open } from './own-client.ts'
import { freePort } from './peer.ts'

const POLL_MS = 2
const NAME = 'iqn.2026-11.org.lunkit:start'
const IMAGE_BYTES = 16 << 20

/** Median of some starts, in milliseconds. */
export async function startTime(prefix: readonly string[], runs: number): Promise<number> {
  const image = writeImage(join(tmpdir(), `lunkit-start-${process.pid}.img`), IMAGE_BYTES)
  try {
    const all: number[] = []
    for (let run = 0; run < runs; run++) all.push(await oneStart(image, prefix))
    return median(all)
  } finally {
    rmSync(image)
  }
}

async function oneStart(image: string, prefix: readonly string[]): Promise<number> {
  const port = await freePort()
  const begin = performance.now()
  const starting = serve([image, '--portal', `127.0.0.1:${port}`, '--name', NAME], {}, prefix)
  while (!(await isOpen(port))) await new Promise(resolve => setTimeout(resolve, POLL_MS))
  const session = await open(`iscsi://127.0.0.1:${port}/${NAME}/0`)
  const taken = performance.now() - begin
  await session.close()
  await (await starting).stop()
  return taken
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
