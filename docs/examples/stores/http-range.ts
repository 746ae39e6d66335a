// SPDX-License-Identifier: Apache-2.0
// Example: a file on a web server as a read-only disk, by HTTP range requests; one that changes meanwhile is an error, never mixed.
import type { ObjectStorage } from 'lunkit/target'

export async function httpDisk(url: string): Promise<ObjectStorage> {
  const head = await fetch(url, { method: 'HEAD' })
  const size = Number(head.headers.get('content-length'))
  const etag = head.headers.get('etag')
  if (!head.ok || !(size > 0)) throw new Error(`${url}: status ${head.status}, ${size} bytes`)
  return {
    size,
    identity: `http:${url}`,
    async read(offset, buffer, { signal }) {
      const headers = {
        range: `bytes=${offset}-${offset + buffer.length - 1}`,
        ...(etag !== null && { 'if-match': etag }),
      }
      const answer = await fetch(url, { headers, signal })
      if (answer.status === 206) return Buffer.from(await answer.arrayBuffer()).copy(buffer)
      await answer.body?.cancel()
      // 200 would be the whole file, 412 another one than the disk began with.
      throw Object.assign(new Error(`${url}: status ${answer.status}`), { code: 'EIO' })
    },
  }
}
