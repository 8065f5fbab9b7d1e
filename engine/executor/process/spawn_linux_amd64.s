#include "textflag.h"

// func cloneInit(c *cloneArgs, size uintptr, a *initArgs) (pid int)
//
// The child shares this process's memory and runs on a stack of its own, so it
// never comes back through here: it calls a.main with a, by the register where
// Go functions expect their first argument, and that does not return.
TEXT ·cloneInit(SB),NOSPLIT,$0-32
	MOVQ	c+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVQ	a+16(FP), R12
	MOVQ	$435, AX	// clone3
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, pid+24(FP)
	RET
child:
	SUBQ	$64, SP	// where it may keep that argument
	MOVQ	R12, AX
	MOVQ	0(R12), R12
	XORPS	X15, X15
	CALL	R12
	INT	$3

// func vfork() (pid int)
//
// Both processes return from here on one stack, the child first. Its calls
// overwrite the return address, which therefore waits in a register.
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	$0x4111, DI	// CLONE_VM|CLONE_VFORK|SIGCHLD
	XORL	SI, SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVQ	$56, AX	// clone
	POPQ	R12
	SYSCALL
	PUSHQ	R12
	MOVQ	AX, pid+0(FP)
	RET
