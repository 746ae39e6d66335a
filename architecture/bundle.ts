// SPDX-License-Identifier: Apache-2.0
// The published command as a few files instead of hundreds: most of a start is the finding and reading of modules.
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { ARROWS } from './arrows.ts'
import { ROOT } from './sources.ts'

/**
 * Bundles `entry` with all parts of this tree that it imports into `outDir`, as NAME.js and chunks for what is imported
 * later. Packages from outside stay imports. Names are kept for stack traces; spaces and comments are not, since V8 keeps
 * the text of a module in memory.
 */
export function bundle(entry: string, name: string, outDir: string): void {
  const outside = ARROWS.flatMap(part => part.outside)
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: { [name]: join(ROOT, entry) },
    outdir: outDir,
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.18',
    external: outside,
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
  })
}
