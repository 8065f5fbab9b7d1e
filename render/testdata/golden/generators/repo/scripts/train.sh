#!/bin/sh
echo "{{x}}"
