// SPDX-License-Identifier: Apache-2.0
// What was measured with what: the kernel, Node, and the packages of the peers.
import { spawnSync } from 'node:child_process'
import { release } from 'node:os'

const PACKAGES = ['tgt', 'istgt', 'libiscsi7']

/** In one line. A peer that is no Debian package is left out. */
export function versions(): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own form
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${Version}\\n', ...PACKAGES], {
    encoding: 'utf8',
  })
  const peers = (stdout ?? '').split('\n').filter(line => /^\S+ \S/.test(line))
  return [`Linux ${release()}`, `Node ${process.versions.node}`, ...peers].join(', ')
}
