// SPDX-License-Identifier: Apache-2.0
// The tree's source files, as git knows them, and their import specifiers.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** Tracked and new files with one of these endings, relative to the root. */
export function files(...endings: string[]): string[] {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return list.split('\n').filter(file => endings.some(ending => file.endsWith(ending)))
}

export const isTest = (file: string): boolean => /\.(test|bench)\.ts$|\.test-kit\.ts$/.test(file)

export const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Specifiers of import, export-from and import() with a literal; comments and texts do not count. */
export function imports(file: string): string[] {
  const source = read(file)
  const found: string[] = []
  for (const pattern of [
    /^\s*(?:import|export)\s[^'"`]*?from\s+['"]([^'"]+)['"]/gms,
    /^\s*import\s+['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"`]([^'"`]+)['"`]/g,
  ]) {
    for (const match of source.matchAll(pattern)) found.push(match[1]!)
  }
  return found
}
