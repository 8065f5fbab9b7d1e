#include "textflag.h"

// func cloneInit(c *cloneArgs, size uintptr, a *initArgs) (pid int)
//
// The child shares this process's memory and runs on a stack of its own, so it
// never comes back through here: it calls a.main with a, by the register where
// Go functions expect their first argument, and that does not return.
TEXT ·cloneInit(SB),NOSPLIT,$0-32
	MOVD	c+0(FP), R0
	MOVD	size+8(FP), R1
	MOVD	a+16(FP), R12
	MOVD	$435, R8	// clone3
	SVC
	CMP	ZR, R0
	BEQ	child
	MOVD	R0, pid+24(FP)
	RET
child:
	SUB	$64, RSP	// where it may keep that argument
	MOVD	R12, R0
	MOVD	0(R12), R12
	BL	(R12)
	BRK

// func vfork() (pid int)
//
// Both processes return from here on one stack, the child first. The frame is
// empty, so the return address stays in the link register.
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	$0x4111, R0	// CLONE_VM|CLONE_VFORK|SIGCHLD
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$220, R8	// clone
	SVC
	MOVD	R0, pid+0(FP)
	RET
