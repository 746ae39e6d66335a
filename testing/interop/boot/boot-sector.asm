; SPDX-License-Identifier: Apache-2.0
; A boot sector that shows on COM2 what the BIOS's disk services do for it: it reads a block, copies 64 blocks and writes one.
; boot-image.ts lays out the disk; the machine ends by the debug exit device.
bits 16
org 0x7c00

EXIT equ 0xf4
BUFFER equ 0x8000               ; linear, below the 64 blocks at 1000:0000

start:
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    mov [drive], dl

    mov si, booted
    call print

    mov ah, 0x41                ; extensions there?
    mov bx, 0x55aa
    mov dl, [drive]
    int 0x13
    jc failed

    ; The text in block 1 is printed.
    mov byte [step], 'r'
    mov ah, 0x42
    mov si, text_block
    call disk
    mov si, BUFFER
    call print

    ; Blocks 64 to 127 are copied to 192 to 255.
    mov byte [step], 'R'
    mov ah, 0x42
    mov si, source_blocks
    call disk
    mov byte [step], 'W'
    mov ax, 0x4300
    mov si, target_blocks
    call disk

    ; Block 2 gets this sector's own words.
    mov byte [step], 'w'
    mov di, BUFFER
    mov cx, 256
    xor ax, ax
    rep stosw
    mov si, words
    mov di, BUFFER
    mov cx, words_end - words
    rep movsb
    mov ax, 0x4300
    mov si, word_block
    call disk

    mov si, done
    call print
    mov al, 0x10                ; QEMU ends with 2 * 10h + 1
    out EXIT, al
halt:
    hlt
    jmp halt

disk:                           ; AH function, SI address packet
    mov dl, [drive]
    int 0x13
    jc failed
    ret

failed:                         ; the step and the BIOS's status
    mov [status], ah
    mov si, error
    call print
    mov al, [status]
    shr al, 4
    call digit
    mov al, [status]
    and al, 15
    call digit
    mov al, 0x11
    out EXIT, al
    jmp halt

digit:
    cmp al, 10
    jb .decimal
    add al, 'A' - '0' - 10
.decimal:
    add al, '0'
    jmp put

%include "print.inc"

drive: db 0
status: db 0
booted: db 'booted', 10, 0
error: db 'failed at '
step: db 'x ', 0
done: db 'done', 10, 0
words: db 'the boot sector wrote this'
words_end:

align 4
text_block:    db 16, 0, 1, 0
               dw BUFFER, 0
               dq 1
source_blocks: db 16, 0, 64, 0
               dw 0, 0x1000
               dq 64
target_blocks: db 16, 0, 64, 0
               dw 0, 0x1000
               dq 192
word_block:    db 16, 0, 1, 0
               dw BUFFER, 0
               dq 2

times 510 - ($ - $$) db 0
dw 0xaa55
