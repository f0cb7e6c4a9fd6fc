package util // want "folder internal/util has no place in the house plan" // want "package has no package comment"
