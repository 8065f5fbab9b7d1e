package expr

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// visitor goes through the tree of an expression once, children first. It puts a
// call of charge around what may be large, binds Argo's functions, refuses what
// is not pure and collects the names that are referred to.
type visitor struct {
	free      []identifier
	functions map[string]makeFunc
	names     []string
	usesNow   bool

	declared map[string]bool     // names that let declares
	paths    map[ast.Node]string // the dotted name that a node stands for
	order    []ast.Node          // the nodes of paths, in order
	inner    map[ast.Node]bool   // nodes that are the start of a longer name
	sprig    map[ast.Node]bool   // bare mentions of sprig
	problem  *problem
}

// problem is what is refused, and where.
type problem struct {
	at      file.Location
	message string
}

func newVisitor() *visitor {
	return &visitor{
		functions: map[string]makeFunc{},
		declared:  map[string]bool{},
		paths:     map[ast.Node]string{},
		inner:     map[ast.Node]bool{},
		sprig:     map[ast.Node]bool{},
	}
}

// Visit is called by expr-lang for every node.
func (v *visitor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		v.identifier(n)
	case *ast.MemberNode:
		v.member(node, n)
	case *ast.VariableDeclaratorNode:
		v.declared[n.Name] = true
	case *ast.PredicateNode:
		charged(&n.Node)
	case *ast.BuiltinNode:
		for i := range n.Arguments {
			charged(&n.Arguments[i])
		}
	case *ast.CallNode:
		v.method(n)
		for i := range n.Arguments {
			charged(&n.Arguments[i])
		}
	case *ast.BinaryNode:
		if goesThrough(n.Operator) {
			charged(&n.Left)
			charged(&n.Right)
		}
	}
}

// goesThrough reports whether an operator may look at all of a long operand.
func goesThrough(operator string) bool {
	switch operator {
	case "+", "==", "!=", "<", "<=", ">", ">=", "in", "matches", "contains", "startsWith", "endsWith":
		return true
	}
	return false
}

// charged puts a call of charge around a node that may be large.
func charged(node *ast.Node) {
	switch (*node).(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.PredicateNode:
		return
	}
	callee := &ast.IdentifierNode{Value: chargeName}
	call := &ast.CallNode{Callee: callee, Arguments: []ast.Node{*node}}
	callee.SetLocation((*node).Location())
	call.SetLocation((*node).Location())
	*node = call
}

func (v *visitor) identifier(n *ast.IdentifierNode) {
	switch name := n.Value; {
	case name == "$env":
		v.refuse(n, "$env is not supported: name what is needed")
	case name == "sprig":
		v.sprig[n] = true
	case name == NowKey:
		v.usesNow = true
	case namedFunctions(name) != nil:
		v.functions[name] = namedFunctions(name)
	default:
		v.free = append(v.free, identifier{name, n.Location()})
		v.path(n, name)
	}
}

func (v *visitor) member(node *ast.Node, n *ast.MemberNode) {
	property, ok := n.Property.(*ast.StringNode)
	if !ok {
		return
	}
	if v.sprig[n.Node] {
		delete(v.sprig, n.Node)
		v.sprigFunction(node, n, property.Value)
		return
	}
	if chain, ok := n.Node.(*ast.ChainNode); ok {
		v.paths[n.Node] = v.paths[chain.Node]
		v.inner[chain.Node] = true
	}
	if parent := v.paths[n.Node]; parent != "" {
		v.inner[n.Node] = true
		v.path(n, parent+"."+property.Value)
	}
}

// method refuses what a time can tell of the machine; nothing else in an
// environment has methods. The method's name is no part of a dotted name.
func (v *visitor) method(n *ast.CallNode) {
	if m, ok := n.Callee.(*ast.MemberNode); ok {
		if v.paths[m] != "" {
			v.paths[m] = v.paths[m.Node]
		}
		if name, ok := m.Property.(*ast.StringNode); ok && name.Value == "Local" {
			v.refuse(n, "Local() depends on the machine's time zone: use UTC() or In(timezone(\"Europe/Paris\"))")
		}
	}
}

func (v *visitor) path(n ast.Node, name string) {
	v.paths[n] = name
	v.order = append(v.order, n)
}

func (v *visitor) sprigFunction(node *ast.Node, n *ast.MemberNode, name string) {
	function, why := sprigFunction(name)
	if function == nil {
		v.refuse(n, fmt.Sprintf("sprig.%s is not available: %s", name, why))
		return
	}
	id := &ast.IdentifierNode{Value: "sprig." + name}
	id.SetLocation(n.Location())
	v.functions[id.Value] = function
	*node = id
}

func (v *visitor) refuse(n ast.Node, message string) {
	if v.problem == nil {
		v.problem = &problem{n.Location(), message}
	}
}

// finish reports what was refused and settles what could not be told on the way.
func (v *visitor) finish(source string) error {
	for n := range v.sprig {
		v.refuse(n, "sprig is not a value: write sprig.NAME(...)")
	}
	if v.problem != nil {
		return at(source, v.problem.at, v.problem.message)
	}
	free := v.free[:0]
	for _, id := range v.free {
		if !v.declared[id.name] {
			free = append(free, id)
		}
	}
	v.free = free
	for _, n := range v.order {
		name := v.paths[n]
		root, _, _ := strings.Cut(name, ".")
		if !v.inner[n] && !v.declared[root] {
			v.names = appendName(v.names, name)
		}
	}
	return nil
}
